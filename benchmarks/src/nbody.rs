//! nbody STEPS: the planets around the sun, leapfrog integration, double precision.
use std::f64::consts::PI;

const SOLAR_MASS: f64 = 4.0 * PI * PI;
const YEAR: f64 = 365.24; // days

#[derive(Clone, Copy)]
struct Body {
    position: [f64; 3],
    velocity: [f64; 3], // per year
    mass: f64,
}

/// Sun, Jupiter, Saturn, Uranus, Neptune: astronomical units, and units per day.
const BODIES: [Body; 5] = [
    Body { position: [0.0; 3], velocity: [0.0; 3], mass: 1.0 },
    Body {
        position: [4.841431442464721, -1.1603200440274284, -0.10362204447112311],
        velocity: [0.001660076642744037, 0.007699011184197404, -0.0000690460016972063],
        mass: 0.0009547919384243266,
    },
    Body {
        position: [8.34336671824458, 4.124798564124305, -0.4035234171143214],
        velocity: [-0.002767425107264111, 0.004998528012349172, 0.000023041729757376393],
        mass: 0.0002858859806661308,
    },
    Body {
        position: [12.894369562139131, -15.111151401698631, -0.22330757889265573],
        velocity: [0.002964601375647616, 0.0023784717395948095, -0.000029658956854023756],
        mass: 0.00004366244043351563,
    },
    Body {
        position: [15.379697114850917, -25.919314609987964, 0.17925877295037118],
        velocity: [0.0026806777249038932, 0.001628241700382423, -0.00009515922545197159],
        mass: 0.000051513890204661145,
    },
];

fn prepare() -> [Body; 5] {
    let mut bodies = BODIES;
    let mut momentum = [0.0; 3];
    for body in &mut bodies {
        body.mass *= SOLAR_MASS;
        for axis in 0..3 {
            body.velocity[axis] *= YEAR;
            momentum[axis] += body.velocity[axis] * body.mass;
        }
    }
    bodies[0].velocity = momentum.map(|part| -part / SOLAR_MASS);
    bodies
}

fn square(distance: [f64; 3]) -> f64 {
    distance.iter().map(|part| part * part).sum()
}

fn distance(one: &Body, other: &Body) -> [f64; 3] {
    std::array::from_fn(|axis| one.position[axis] - other.position[axis])
}

fn advance(bodies: &mut [Body; 5], step: f64) {
    for i in 0..bodies.len() {
        let (head, tail) = bodies.split_at_mut(i + 1);
        let one = &mut head[i];
        for other in tail {
            let between = distance(one, other);
            let square = square(between);
            let magnitude = step / (square * square.sqrt());
            for axis in 0..3 {
                one.velocity[axis] -= between[axis] * other.mass * magnitude;
                other.velocity[axis] += between[axis] * one.mass * magnitude;
            }
        }
    }
    for body in bodies {
        for axis in 0..3 {
            body.position[axis] += step * body.velocity[axis];
        }
    }
}

fn energy(bodies: &[Body; 5]) -> f64 {
    let mut sum = 0.0;
    for (i, one) in bodies.iter().enumerate() {
        sum += 0.5 * one.mass * square(one.velocity);
        for other in &bodies[i + 1..] {
            sum -= one.mass * other.mass / square(distance(one, other)).sqrt();
        }
    }
    sum
}

fn main() {
    let steps = std::env::args().nth(1).map_or(1000, |text| text.parse().expect("STEPS"));
    let mut bodies = prepare();
    println!("{:.9}", energy(&bodies));
    for _ in 0..steps {
        advance(&mut bodies, 0.01);
    }
    println!("{:.9}", energy(&bodies));
}

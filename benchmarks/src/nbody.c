/* nbody STEPS: the planets around the sun, leapfrog integration, double precision. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define BODIES 5
#define PI 3.141592653589793
#define SOLAR_MASS (4 * PI * PI)
#define YEAR 365.24 /* days */

struct body {
    double position[3];
    double velocity[3]; /* per year */
    double mass;
};

/* Sun, Jupiter, Saturn, Uranus, Neptune: astronomical units, and units per day. */
static struct body bodies[BODIES] = {
    {{0, 0, 0}, {0, 0, 0}, 1},
    {{4.84143144246472090, -1.16032004402742839, -0.103622044471123109},
     {0.00166007664274403694, 0.00769901118419740425, -0.0000690460016972063023},
     0.000954791938424326609},
    {{8.34336671824457987, 4.12479856412430479, -0.403523417114321381},
     {-0.00276742510726411115, 0.00499852801234917238, 0.0000230417297573763929},
     0.000285885980666130812},
    {{12.8943695621391310, -15.1111514016986312, -0.223307578892655734},
     {0.00296460137564761618, 0.00237847173959480950, -0.0000296589568540237556},
     0.0000436624404335156298},
    {{15.3796971148509165, -25.9193146099879641, 0.179258772950371181},
     {0.00268067772490389322, 0.00162824170038242295, -0.0000951592254519715870},
     0.0000515138902046611451},
};

static void prepare(void) {
    double momentum[3] = {0};
    for (int i = 0; i < BODIES; i++) {
        bodies[i].mass *= SOLAR_MASS;
        for (int axis = 0; axis < 3; axis++) {
            bodies[i].velocity[axis] *= YEAR;
            momentum[axis] += bodies[i].velocity[axis] * bodies[i].mass;
        }
    }
    for (int axis = 0; axis < 3; axis++) {
        bodies[0].velocity[axis] = -momentum[axis] / SOLAR_MASS;
    }
}

static void attract(struct body *one, struct body *other, double step) {
    double distance[3];
    double square = 0;
    for (int axis = 0; axis < 3; axis++) {
        distance[axis] = one->position[axis] - other->position[axis];
        square += distance[axis] * distance[axis];
    }
    double magnitude = step / (square * sqrt(square));
    for (int axis = 0; axis < 3; axis++) {
        one->velocity[axis] -= distance[axis] * other->mass * magnitude;
        other->velocity[axis] += distance[axis] * one->mass * magnitude;
    }
}

static void advance(double step) {
    for (int i = 0; i < BODIES; i++) {
        for (int j = i + 1; j < BODIES; j++) {
            attract(&bodies[i], &bodies[j], step);
        }
    }
    for (int i = 0; i < BODIES; i++) {
        for (int axis = 0; axis < 3; axis++) {
            bodies[i].position[axis] += step * bodies[i].velocity[axis];
        }
    }
}

static double energy(void) {
    double sum = 0;
    for (int i = 0; i < BODIES; i++) {
        double speed = 0;
        for (int axis = 0; axis < 3; axis++) {
            speed += bodies[i].velocity[axis] * bodies[i].velocity[axis];
        }
        sum += 0.5 * bodies[i].mass * speed;
        for (int j = i + 1; j < BODIES; j++) {
            double square = 0;
            for (int axis = 0; axis < 3; axis++) {
                double distance = bodies[i].position[axis] - bodies[j].position[axis];
                square += distance * distance;
            }
            sum -= bodies[i].mass * bodies[j].mass / sqrt(square);
        }
    }
    return sum;
}

int main(int argc, char **argv) {
    long steps = argc > 1 ? atol(argv[1]) : 1000;
    prepare();
    printf("%.9f\n", energy());
    for (long i = 0; i < steps; i++) {
        advance(0.01);
    }
    printf("%.9f\n", energy());
    return 0;
}

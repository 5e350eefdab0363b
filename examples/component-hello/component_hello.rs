//! A component of WASI 0.2, a command: says hello to its arguments.

use std::env;

fn main() {
    let names: Vec<String> = env::args().skip(1).collect();
    let whom = if names.is_empty() { "world".into() } else { names.join(", ") };
    println!("Hello {whom}, from a component");
}

//! json ROUNDS: write a document of some 3 MB, parse it into a tree, add up its numbers; ROUNDS
//! times.
#[path = "json/tree.rs"]
mod tree;

const RECORDS: usize = 20000;

fn main() {
    let rounds = std::env::args().nth(1).map_or(1, |text| text.parse().expect("ROUNDS"));
    let total: f64 = (0..rounds).map(|_| tree::total(&tree::document(RECORDS))).sum();
    println!("{total:.3}");
}

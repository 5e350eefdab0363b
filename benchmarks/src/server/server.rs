//! A web server at port 1234 that works for each answer: it writes a document of some 15 KB, parses it into a tree
//! and adds up its numbers. One connection at a time.
#[path = "../../../examples/http-server/listener.rs"]
mod listener;
#[path = "../../../examples/sockets.rs"]
mod sockets;
#[path = "../json/tree.rs"]
mod tree;

use listener::Listener;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

const PORT: u16 = 1234;
const PATIENCE: Duration = Duration::from_secs(10);
const RECORDS: usize = 100;

fn serve(mut stream: &TcpStream) -> io::Result<()> {
    for line in BufReader::new(stream).lines() {
        if line?.is_empty() {
            break;
        }
    }
    let body = format!("{:.3}\n", tree::total(&tree::document(RECORDS)));
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all((head + &body).as_bytes())
}

fn main() -> io::Result<()> {
    let listener = Listener::bind(PORT)?;
    loop {
        let served = listener.accept(PATIENCE).and_then(|stream| serve(&stream));
        if let Err(error) = served {
            eprintln!("{error}");
        }
    }
}

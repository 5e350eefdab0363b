//! A web server that greets: `http_server.wasm [PORT]`, by default port 1234.
//!
//! Answers each request with a line that names its path, and logs it. One connection at a time.

mod listener;
#[path = "../sockets.rs"]
mod sockets;

use listener::Listener;
use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(1);
const LARGEST_REQUEST: u64 = 16 * 1024;

/// The first line of a request, `GET /path HTTP/1.1`, when it has that form and its headers end.
fn read_request(stream: &TcpStream) -> io::Result<Option<(String, String)>> {
    let mut lines = BufReader::new(stream.take(LARGEST_REQUEST)).lines();
    let Some(first) = lines.next().transpose()? else {
        return Ok(None);
    };
    for line in lines {
        if line?.is_empty() {
            let mut words = first.split(' ').map(String::from);
            return Ok(words.next().zip(words.next()));
        }
    }
    Ok(None)
}

fn respond(mut stream: &TcpStream, status: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all((head + body).as_bytes())
}

fn serve(stream: &TcpStream) -> io::Result<()> {
    match read_request(stream)? {
        Some((method, path)) => {
            println!("{method} {path}");
            respond(stream, "200 OK", &format!("Hello from WebAssembly: {path}\n"))
        }
        None => respond(stream, "400 Bad Request", "not a request\n"),
    }
}

fn main() -> io::Result<()> {
    let port = match env::args().nth(1) {
        Some(text) => text.parse().map_err(io::Error::other)?,
        None => 1234,
    };
    let listener = Listener::bind(port)?;
    println!("listening on port {port}");
    loop {
        let served = listener.accept(PATIENCE).and_then(|stream| serve(&stream));
        if let Err(error) = served {
            eprintln!("{error}");
        }
    }
}

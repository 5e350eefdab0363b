//! Fetches a page: `http_client.wasm ADDRESS:PORT [PATH]`. Prints the body; fails unless the status
//! is 200. The address is a number, such as 10.88.0.5: there is no name resolution.

#[path = "../sockets.rs"]
mod sockets;

use sockets::{Address, check, open};
use std::env;
use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, RawFd};

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn sock_connect(socket: RawFd, address: *const Address, port: u32) -> i32;
}

fn connect(to: SocketAddrV4) -> io::Result<TcpStream> {
    let socket = open()?;
    let octets = to.ip().octets();
    // SAFETY: `octets` outlives the call.
    check(unsafe { sock_connect(socket.as_raw_fd(), &Address::of(&octets), to.port().into()) })?;
    Ok(TcpStream::from(socket))
}

/// Returns the status line and the body.
fn get(address: &str, path: &str) -> io::Result<(String, String)> {
    let mut stream = connect(address.parse().map_err(io::Error::other)?)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (head, body) = response
        .split_once("\r\n\r\n")
        .ok_or_else(|| io::Error::other("the response has no end of headers"))?;
    let status = head.lines().next().unwrap_or_default();
    Ok((status.into(), body.into()))
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().ok_or_else(|| io::Error::other("no address given"))?;
    let path = arguments.next().unwrap_or_else(|| "/".into());
    let (status, body) = get(&address, &path)?;
    print!("{body}");
    if status.split(' ').nth(1) == Some("200") {
        Ok(())
    } else {
        Err(io::Error::other(status))
    }
}

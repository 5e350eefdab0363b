//! The socket of a server. Its connections are of the standard library, which can read, write and
//! close them on WASI, but not make them.

use crate::sockets::{Address, check, open};
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

const SOL_SOCKET: i32 = 0;
const SO_REUSEADDR: i32 = 0;
const SO_RCVTIMEO: i32 = 11;

mod wasi {
    use super::{Address, RawFd};

    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub fn sock_bind(socket: RawFd, address: *const Address, port: u32) -> i32;
        pub fn sock_listen(socket: RawFd, backlog: u32) -> i32;
        pub fn sock_accept(socket: RawFd, connection: *mut RawFd) -> i32;
        pub fn sock_setsockopt(
            socket: RawFd,
            level: i32,
            name: i32,
            value: *const u8,
            size: usize,
        ) -> i32;
    }
}

/// As a 64-bit host has it.
#[repr(C)]
struct Timeval {
    seconds: i64,
    microseconds: i64,
}

fn set_option<T>(socket: &impl AsRawFd, name: i32, value: &T) -> io::Result<()> {
    let pointer = (value as *const T).cast();
    // SAFETY: the pointer and the size describe `value`.
    check(unsafe {
        wasi::sock_setsockopt(socket.as_raw_fd(), SOL_SOCKET, name, pointer, size_of::<T>())
    })
}

/// A socket that takes connections.
pub struct Listener(OwnedFd);

impl Listener {
    /// Listens at a port of every IPv4 address.
    pub fn bind(port: u16) -> io::Result<Self> {
        let socket = open()?;
        set_option(&socket, SO_REUSEADDR, &1i32)?;
        let octets = Ipv4Addr::UNSPECIFIED.octets();
        // SAFETY: `octets` outlives the call.
        check(unsafe { wasi::sock_bind(socket.as_raw_fd(), &Address::of(&octets), port.into()) })?;
        // SAFETY: takes numbers only.
        check(unsafe { wasi::sock_listen(socket.as_raw_fd(), 128) })?;
        Ok(Listener(socket))
    }

    /// Waits for a connection. Reading from it fails when nothing comes for `patience`.
    pub fn accept(&self, patience: Duration) -> io::Result<TcpStream> {
        let mut connection = -1;
        // SAFETY: `connection` outlives the call, and is then a descriptor of nobody else.
        let stream = unsafe {
            check(wasi::sock_accept(self.0.as_raw_fd(), &mut connection))?;
            TcpStream::from_raw_fd(connection)
        };
        let timeout = Timeval {
            seconds: patience.as_secs() as i64,
            microseconds: patience.subsec_micros().into(),
        };
        set_option(&stream, SO_RCVTIMEO, &timeout)?;
        Ok(stream)
    }
}

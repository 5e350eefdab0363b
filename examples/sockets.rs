//! TCP over WasmEdge's socket functions, which WASI preview 1 itself lacks: what a client and a
//! server have in common.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

const INET4: u32 = 1;
const STREAM: u32 = 2;

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn sock_open(family: u32, kind: u32, socket: *mut RawFd) -> i32;
}

/// Makes a TCP socket.
pub fn open() -> io::Result<OwnedFd> {
    let mut socket = -1;
    // SAFETY: `socket` outlives the call, and after success it is a descriptor of nobody else.
    unsafe {
        check(sock_open(INET4, STREAM, &mut socket))?;
        Ok(OwnedFd::from_raw_fd(socket))
    }
}

/// What a WASI function returned: an errno, 0 for success.
pub fn check(errno: i32) -> io::Result<()> {
    match errno {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// A pointer to the bytes of an address in network order, and their number, which says whether it
/// is of IPv4 or IPv6.
#[repr(C)]
pub struct Address {
    bytes: *const u8,
    length: usize,
}

impl Address {
    /// Valid while `octets` is.
    pub fn of(octets: &[u8; size_of::<Ipv4Addr>()]) -> Self {
        Address { bytes: octets.as_ptr(), length: octets.len() }
    }
}

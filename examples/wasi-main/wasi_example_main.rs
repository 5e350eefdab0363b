//! Seven small tests of what a container gives to a WASI program: randomness, standard output,
//! arguments, environment and a writable root directory.

use std::env;
use std::fs;
use std::io;

const PATH: &str = "/tmp.txt";
const CONTENT: &str = "This is in a file";

mod wasi {
    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        /// Fills `length` bytes at `buffer` with random data; returns a WASI errno, 0 for success.
        pub fn random_get(buffer: *mut u8, length: usize) -> u16;
    }
}

fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    // SAFETY: the pointer and the length describe `bytes`, which outlives the call.
    match unsafe { wasi::random_get(bytes.as_mut_ptr(), N) } {
        0 => Ok(bytes),
        errno => Err(io::Error::from_raw_os_error(errno.into())),
    }
}

fn print_random_number() -> io::Result<()> {
    println!("Random number: {}", i32::from_le_bytes(random_bytes()?));
    Ok(())
}

fn print_random_bytes() -> io::Result<()> {
    println!("Random bytes: {:?}", random_bytes::<128>()?);
    Ok(())
}

fn echo(text: &str) -> &str {
    println!("Printed from wasi: {text}");
    text
}

fn print_environment() {
    println!("The env vars are as follows.");
    for (name, value) in env::vars() {
        println!("{name}: {value}");
    }
    println!("The args are as follows.");
    for argument in env::args() {
        println!("{argument}");
    }
}

fn main() -> io::Result<()> {
    println!("Test 1: Print Random Number");
    print_random_number()?;

    println!("\nTest 2: Print Random Bytes");
    print_random_bytes()?;

    println!("\nTest 3: Call an echo function");
    println!("{}", echo("This is from a main function"));

    println!("\nTest 4: Print Environment Variables");
    print_environment();

    println!("\nTest 5: Create a file `{PATH}` with content `{CONTENT}`");
    fs::write(PATH, CONTENT)?;

    println!("\nTest 6: Read the content from the previous file");
    println!("File content is {}", fs::read_to_string(PATH)?);

    println!("\nTest 7: Delete the previous file");
    fs::remove_file(PATH)
}

//! What a component of WASI 0.2 is given and may do: `program [VERB [ARGUMENT]]`.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::{env, fs, io, process, thread, time};

fn read_all(mut source: impl Read) -> String {
    let mut text = String::new();
    match source.read_to_string(&mut text) {
        Ok(_) => text,
        Err(error) => format!("error: {error}"),
    }
}

fn grow() {
    let mut kept: Vec<Vec<u8>> = vec![];
    loop {
        let mut more = Vec::new();
        if more.try_reserve_exact(1 << 20).is_err() {
            println!("{} MiB", kept.len());
            return;
        }
        more.resize(1 << 20, 1);
        kept.push(more);
    }
}

/// Sends "ping", and returns all that comes back.
fn ask_by_tcp(address: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"ping")?;
    stream.shutdown(Shutdown::Write)?;
    Ok(read_all(stream))
}

fn ask_by_udp(address: &str) -> io::Result<String> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.send_to(b"ping", address)?;
    let mut answer = [0; 100];
    let (length, _) = socket.recv_from(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

/// Gives one client back what it sends.
fn serve(address: &str) -> io::Result<String> {
    let listener = TcpListener::bind(address)?;
    println!("ready");
    let (mut stream, _) = listener.accept()?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    stream.write_all(text.as_bytes())?;
    Ok("served".into())
}

fn resolve(name: &str) -> io::Result<String> {
    let mut found: Vec<String> =
        (name, 0).to_socket_addrs()?.map(|address| address.ip().to_string()).collect();
    found.sort();
    found.dedup();
    Ok(found.join(" "))
}

fn print(outcome: io::Result<String>) {
    match outcome {
        Ok(text) => println!("{text}"),
        Err(error) => println!("error: {:?}", error.kind()),
    }
}

fn main() {
    let words: Vec<String> = env::args().collect();
    let argument = words.get(2).cloned().unwrap_or_default();
    match words.get(1).map_or("hello", String::as_str) {
        "hello" => println!("Hello from a component"),
        "args" => println!("{words:?}"),
        "env" => println!("{}", env::var(&argument).unwrap_or_else(|error| error.to_string())),
        "exit" => process::exit(argument.parse().unwrap()),
        "panic" => panic!("on purpose"),
        "stdin" => print!("{}", read_all(io::stdin())),
        "read" => match fs::File::open(&argument) {
            Ok(file) => print!("{}", read_all(file)),
            Err(error) => println!("error: {error}"),
        },
        "write" => println!("{:?}", fs::write(&argument, "written").is_ok()),
        "list" => {
            let mut names: Vec<String> = fs::read_dir(&argument)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            println!("{names:?}");
        }
        "loop" => {
            let mut number = 0u64;
            loop {
                number = number.wrapping_add(std::hint::black_box(1));
            }
        }
        "sleep" => {
            println!("ready");
            io::stdout().flush().unwrap();
            thread::sleep(time::Duration::from_secs(1000));
        }
        "grow" => grow(),
        "tcp" => print(ask_by_tcp(&argument)),
        "udp" => print(ask_by_udp(&argument)),
        "serve" => print(serve(&argument)),
        "resolve" => print(resolve(&argument)),
        other => panic!("{other}: no such verb"),
    }
}

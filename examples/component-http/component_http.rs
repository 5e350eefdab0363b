//! A component of WASI 0.2, a command that sends an HTTP request and prints the body of the answer:
//! `component_http URL [BODY]`. With a body it is a POST, else a GET.

use std::io::{self, Read, Write};
use std::{env, process};

use wasi::http::outgoing_handler;
use wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};

fn parse(url: &str) -> Option<(Scheme, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    Some((scheme, authority, if path.is_empty() { "/" } else { path }))
}

fn request_for(url: &str, content: Option<&str>) -> Option<OutgoingRequest> {
    let (scheme, authority, path) = parse(url)?;
    let headers = Fields::new();
    if let Some(content) = content {
        headers.set("Content-Length", &[content.len().to_string().into_bytes()]).ok()?;
    }
    let request = OutgoingRequest::new(headers);
    request.set_method(if content.is_some() { &Method::Post } else { &Method::Get }).ok()?;
    request.set_scheme(Some(&scheme)).ok()?;
    request.set_authority(Some(authority)).ok()?;
    request.set_path_with_query(Some(path)).ok()?;
    Some(request)
}

/// Sends a request, returns the answer when its head has come.
fn send(request: OutgoingRequest, content: Option<&str>) -> Result<IncomingResponse, ErrorCode> {
    let body = request.body().expect("the body is taken once");
    let answer = outgoing_handler::handle(request, None)?;
    if let Some(content) = content {
        let mut stream = body.write().expect("the stream is taken once");
        let _ = stream.write_all(content.as_bytes()); // the answer says what is wrong
    }
    OutgoingBody::finish(body, None)?;
    answer.subscribe().block();
    answer.get().expect("it has come").expect("it is taken once")
}

fn read(response: &IncomingResponse) -> io::Result<Vec<u8>> {
    let body = response.consume().expect("the body is taken once");
    let mut content = Vec::new();
    body.stream().expect("the stream is taken once").read_to_end(&mut content)?;
    Ok(content)
}

fn run(url: &str, content: Option<&str>) -> Result<(), String> {
    let request = request_for(url, content).ok_or("not a URL of http or https")?;
    let response = send(request, content).map_err(|error| format!("{error:?}"))?;
    let page = read(&response).map_err(|error| error.to_string())?;
    io::stdout().write_all(&page).map_err(|error| error.to_string())?;
    match response.status() {
        200..=299 => Ok(()),
        status => Err(format!("status {status}")),
    }
}

fn main() {
    let words: Vec<String> = env::args().collect();
    let Some(url) = words.get(1) else {
        eprintln!("usage: component_http URL [BODY]");
        process::exit(1);
    };
    if let Err(error) = run(url, words.get(2).map(String::as_str)) {
        eprintln!("{url}: {error}");
        process::exit(1);
    }
}

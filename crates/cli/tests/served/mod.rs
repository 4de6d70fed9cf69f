//! The one door of the tests of `oikos serve`: a world file, served by the binary on a port of its own, and requests as
//! they go over the wire.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "each test uses its part, and fails by panicking"
)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

/// How long an answer may take before a test says that there is none.
const PATIENCE: Duration = Duration::from_secs(120);

/// A world that stands still: those who act come from outside.
pub(crate) const SHOP: &str = r#"
[world]
name = "shop"

[execution]
ticks = 3

[[agents]]
id = "alice"
scrip = 1000
code = "def step(observation): return None"

[[agents]]
id = "bob"
scrip = 0
code = "def step(observation): return None"

[[artifacts]]
id = "page"
owner = "alice"
content = "<script>alert(1)</script>\u202e"
code = "def run():\n    return 1"
"#;

/// A world that is served.
pub(crate) struct Served {
    pub(crate) child: Child,
    /// Where it listens, as `127.0.0.1:PORT`.
    pub(crate) address: String,
    /// The token of its link.
    pub(crate) observer: String,
    pub(crate) db: PathBuf,
    pub(crate) told: String,
    folder: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    }
}

pub(crate) fn oikos() -> Command {
    Command::new(env!("CARGO_BIN_EXE_oikos"))
}

/// An action of alice in that world.
pub(crate) fn transfer(amount: u64) -> String {
    json!({ "op": "transfer", "to": "bob", "amount": amount }).to_string()
}

/// Serves a fresh world in a database that is no file.
pub(crate) fn serve_at(world: &str, db: &str, options: &[&str]) -> Served {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("w.toml");
    std::fs::write(&file, world).expect("a file");
    Served::start(folder, &file, db.into(), options)
}

/// Serves a world that is in a database.
pub(crate) fn serve_db(db: &str, options: &[&str]) -> Served {
    let mut command = oikos();
    command.args(["--json", "serve", db]);
    Served::begin(command, tempfile::tempdir().expect("a folder"), db.into(), options)
}

/// Serves a fresh world.
pub(crate) fn serve(world: &str, options: &[&str]) -> Served {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("w.toml");
    std::fs::write(&file, world).expect("a file");
    let db = folder.path().join("w.oikos");
    Served::start(folder, &file, db, options)
}

impl Served {
    fn start(folder: tempfile::TempDir, file: &Path, db: PathBuf, options: &[&str]) -> Self {
        let mut command = oikos();
        command.args(["--json", "serve"]).arg(file).arg("--db").arg(&db);
        Self::begin(command, folder, db, options)
    }

    /// Ends it, and serves another world of its folder.
    pub(crate) fn again(served: Self, name: &str, options: &[&str]) -> Self {
        let (db, folder) = served.kill();
        let db = db.with_file_name(name);
        let mut command = oikos();
        command.args(["--json", "serve"]).arg(&db);
        Self::begin(command, folder, db, options)
    }

    /// Serves the same world once more, from the same folder.
    pub(crate) fn beside(&self, options: &[&str]) -> Self {
        self.beside_at(self.folder.path(), options)
    }

    /// As [`Self::beside`], once this one has been ended.
    pub(crate) fn beside_at(&self, at: &Path, options: &[&str]) -> Self {
        let mut command = oikos();
        command.current_dir(at).args(["--json", "serve"]).arg(&self.db);
        Self::begin(command, tempfile::tempdir().expect("a folder"), self.db.clone(), options)
    }

    /// Serves all worlds of a database, from a folder.
    pub(crate) fn of_all(database: &str, at: &Path, options: &[&str]) -> Self {
        let mut command = oikos();
        command.current_dir(at).args(["--json", "serve", database, "--all"]);
        Self::begin(command, tempfile::tempdir().expect("a folder"), database.into(), options)
    }

    /// Serves a world that is there, from a folder.
    pub(crate) fn of_world(db: &str, at: &Path, options: &[&str]) -> Self {
        let mut command = oikos();
        command.current_dir(at).args(["--json", "serve", db]);
        Self::begin(command, tempfile::tempdir().expect("a folder"), db.into(), options)
    }

    fn begin(mut command: Command, folder: tempfile::TempDir, db: PathBuf, options: &[&str]) -> Self {
        // Files of a world that is in no file stand in the current folder.
        if command.get_current_dir().is_none() {
            command.current_dir(folder.path());
        }
        let mut child = command
            .args(["--listen", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut told = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        output.read_line(&mut told).expect("it says where it listens");
        child.stdout = Some(output.into_inner());
        let value: Value = serde_json::from_str(&told).unwrap_or_else(|error| {
            let mut talk = String::new();
            let _ = child.stderr.take().map(|mut errors| errors.read_to_string(&mut talk));
            panic!("{error}: {told}{talk}")
        });
        let address = value["url"].as_str().expect("an address").trim_start_matches("http://").to_owned();
        let link = value["link"].as_str().expect("a link");
        let observer = link.split_once("token=").expect("a token").1.to_owned();
        Self { child, address, observer, db, told, folder }
    }

    /// Makes a token.
    pub(crate) fn token(&self, options: &[&str]) -> String {
        self.beside_token(self.folder.path(), options)
    }

    /// Makes a token from another folder.
    pub(crate) fn beside_token(&self, at: &Path, options: &[&str]) -> String {
        let mut make = oikos();
        make.current_dir(at).args(["--json", "token"]).arg(&self.db).args(options);
        let made = make.output().expect("the binary runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let value: Value = serde_json::from_slice(&made.stdout).expect("JSON");
        value["token"].as_str().expect("a token").to_owned()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        stream
    }

    /// Sends a text as it is, and reads all that comes until the other end closes.
    pub(crate) fn raw(&self, text: &[u8]) -> Answer {
        let mut stream = self.connect();
        // It may be refused before all of it is sent.
        let _ = stream.write_all(text);
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        let all = String::from_utf8_lossy(&all).into_owned();
        let (head, body) = all.split_once("\r\n\r\n").unwrap_or((&all, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Answer {
            status: status.unwrap_or_else(|| panic!("no answer: {head:?}")),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// A request with these headers, and its answer.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            text.push_str(&format!("host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if method == "POST" {
            text.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        self.raw(&[text.as_bytes(), body].concat())
    }

    pub(crate) fn get(&self, token: &str, path: &str) -> Answer {
        self.request("GET", path, &[("authorization", &format!("Bearer {token}"))], b"")
    }

    pub(crate) fn post(&self, token: &str, path: &str, body: &str) -> Answer {
        self.request("POST", path, &[("authorization", &format!("Bearer {token}"))], body.as_bytes())
    }

    /// Opens a feed of events.
    pub(crate) fn feed(&self, token: &str, path: &str, last: Option<&str>) -> Feed {
        let headers: Vec<(&str, &str)> = last.map(|last| ("last-event-id", last)).into_iter().collect();
        self.feed_with(token, path, &headers)
    }

    /// Opens a feed of events or messages.
    pub(crate) fn feed_with(&self, token: &str, path: &str, headers: &[(&str, &str)]) -> Feed {
        let mut stream = self.connect();
        let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let text = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\naccept: text/event-stream\r\n{more}\r\n",
            self.address
        );
        stream.write_all(text.as_bytes()).expect("it listens");
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).expect("an answer");
        assert!(line.contains(" 200 "), "{line}");
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).expect("a header");
        }
        Feed { reader, left: String::new() }
    }

    /// Asks it to end as Ctrl-C does, and gives all that it said on its standard error.
    #[cfg(unix)]
    pub(crate) fn interrupt(mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().expect("kill runs");
        assert!(sent.success());
        let ended = self.child.wait().expect("it ends");
        let mut talk = String::new();
        let mut errors = self.child.stderr.take().expect("its errors");
        errors.read_to_string(&mut talk).expect("text");
        (ended.code(), talk)
    }

    /// All that it has said on its standard error, once it has ended.
    pub(crate) fn talk(&mut self) -> String {
        let mut talk = String::new();
        let mut errors = self.child.stderr.take().expect("its errors");
        errors.read_to_string(&mut talk).expect("text");
        talk
    }

    /// Ends it at once, and gives its database back, which lives as long as the folder.
    pub(crate) fn kill(mut self) -> (PathBuf, tempfile::TempDir) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder"));
        (self.db.clone(), folder)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A feed that is being read.
pub(crate) struct Feed {
    reader: BufReader<TcpStream>,
    left: String,
}

impl Feed {
    /// The next event: its id and its line.
    pub(crate) fn next(&mut self) -> (String, Value) {
        let mut id = None;
        loop {
            let line = self.line();
            if let Some(text) = line.strip_prefix("id: ") {
                id = Some(text.to_owned());
            } else if let Some(text) = line.strip_prefix("data: ") {
                let value = serde_json::from_str(text).expect("a line is JSON");
                return (id.take().expect("an id before its line"), value);
            }
        }
    }

    /// The next message of a feed that has no ids; none when it has ended.
    pub(crate) fn message(&mut self) -> Option<Value> {
        loop {
            let line = self.line_or_end()?;
            if let Some(text) = line.strip_prefix("data:").map(str::trim).filter(|text| !text.is_empty()) {
                return Some(serde_json::from_str(text).expect("a message is JSON"));
            }
        }
    }

    fn line(&mut self) -> String {
        self.line_or_end().expect("the feed goes on")
    }

    /// A line of the feed; the pieces in which it came are put together.
    fn line_or_end(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.left.find('\n') {
                let line: String = self.left.drain(..=end).collect();
                return Some(line.trim_end_matches('\n').to_owned());
            }
            let mut size = String::new();
            self.reader.read_line(&mut size).expect("a piece");
            let size = usize::from_str_radix(size.trim(), 16).expect("the size of a piece");
            if size == 0 {
                return None;
            }
            let mut piece = vec![0; size + 2];
            self.reader.read_exact(&mut piece).expect("a piece");
            self.left.push_str(std::str::from_utf8(&piece[..size]).expect("text"));
        }
    }
}

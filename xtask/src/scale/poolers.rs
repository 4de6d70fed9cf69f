//! A proxy that pools transactions lets no writer in, and one that pools sessions does.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::postgres::{Cluster, installed};

const NAME: &str = "poolers";
const WORLD: &str = "[world]\nname = \"w\"\n[execution]\nticks = 5\n[[agents]]\nid = \"alice\"\nscrip = 5\n\
    code = \"def step(observation): return None\"\n";
/// How long a proxy may take until it listens.
const PATIENCE: Duration = Duration::from_secs(20);
/// The settings of a proxy, and whether a writer is let in.
const CASES: [(&str, bool); 5] = [
    ("pool_mode = transaction", false),
    ("pool_mode = session", true),
    ("pool_mode = transaction\nignore_startup_parameters = options", false),
    ("pool_mode = session\nignore_startup_parameters = options", true),
    (
        "pool_mode = transaction\nignore_startup_parameters = options\nserver_round_robin = 1\nmin_pool_size = 5",
        false,
    ),
];

pub(super) fn prove(binary: &Path, folder: &Path) -> Result<()> {
    let cluster = Cluster::start()?;
    let program = PathBuf::from("/usr/sbin/pgbouncer");
    if !program.is_file() {
        installed("pgbouncer")?;
    }
    let folder = folder.join(NAME);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("w.toml"), WORLD)?;
    let (database, (variable, password)) = cluster.make(binary, NAME)?;
    let server = format!("127.0.0.1:{}", cluster.port());
    for (at, (settings, is_let_in)) in CASES.iter().enumerate() {
        let proxy = Proxy::start(&cluster, &program, &folder, settings, password)?;
        let url = database.replace(&server, &format!("127.0.0.1:{}", proxy.port));
        let mut run = Command::new(binary);
        run.current_dir(&folder).env(variable, password);
        let told = run.args(["run", "w.toml", "--db", &format!("{url}?world=w{at}")]).output()?;
        let words = String::from_utf8_lossy(&told.stderr).into_owned();
        let is_refused =
            told.status.code() == Some(3) && words.contains("a proxy stands before it that pools");
        match (is_let_in, told.status.success(), is_refused) {
            (true, true, _) | (false, false, true) => {
                eprintln!("{}: as it should", settings.replace('\n', ", "))
            }
            _ => bail!("{settings}: it ended with {}: {words}", told.status),
        }
    }
    Ok(())
}

/// A proxy that runs.
struct Proxy {
    child: Child,
    port: u16,
}

impl Proxy {
    fn start(
        cluster: &Cluster,
        program: &Path,
        folder: &Path,
        settings: &str,
        password: &str,
    ) -> Result<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let (users, file) = (folder.join("users"), folder.join("pgbouncer.ini"));
        fs::write(&users, format!("\"oikos\" \"{password}\"\n"))?;
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = plain\nauth_file = {}\n{settings}\n",
            cluster.port(),
            users.display()
        );
        fs::write(&file, text)?;
        let mut proxy = cluster.command_of(program);
        let child = proxy.args(["-q"]).arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let this = Self { child: child.context("pgbouncer can't be run")?, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > PATIENCE {
                bail!("pgbouncer does not listen; {} has its settings", file.display());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(this)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let stopped = Command::new("kill").arg(self.child.id().to_string()).status();
        if stopped.is_err() || self.child.wait().is_err() {
            eprintln!("== poolers: pgbouncer {} is left", self.child.id());
        }
    }
}

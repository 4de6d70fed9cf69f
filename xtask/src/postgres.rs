//! A server of PostgreSQL for the tests: a cluster of its own, in a folder of its own, that is gone with them.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// The role that owns all of it, and its password.
const ROLE: &str = "oikos";
const PASSWORD: &str = "a secret of the tests";

/// Proves worlds in PostgreSQL. Where there can be no server that is left out, and said.
pub(crate) fn check(root: &Path, target: &Path) -> Result<()> {
    match Cluster::start() {
        Ok(cluster) => tested(&cluster, root, target),
        Err(problem) => {
            eprintln!("== postgres: {problem:#}, so worlds in PostgreSQL are not tested");
            Ok(())
        }
    }
}

/// As [`check`], where a server must be had.
pub(crate) fn prove(root: &Path, target: &Path) -> Result<()> {
    tested(&Cluster::start()?, root, target)
}

/// Tests worlds in PostgreSQL through the binary.
fn tested(cluster: &Cluster, root: &Path, target: &Path) -> Result<()> {
    tests(cluster, root, target, &["--test", "postgres", "--test", "shards"])
}

/// Runs tests of those that need a server.
pub(crate) fn tests(cluster: &Cluster, root: &Path, target: &Path, words: &[&str]) -> Result<()> {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(["test", "--workspace", "--locked"]).args(words);
    command.env("OIKOS_CACHE", target.join("tmp/python"));
    cluster.tell(&mut command)?;
    if !command.status().context("cargo can't be run")?.success() {
        bail!("the tests of worlds in PostgreSQL fail");
    }
    Ok(())
}

/// A server that runs.
pub(crate) struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    /// The user that it runs as, where this one may not.
    user: Option<&'static str>,
}

impl Cluster {
    /// Makes a cluster with `fsync` on and starts it; the programs are installed where they are missing.
    pub(crate) fn start() -> Result<Self> {
        Self::start_in(std::env::temp_dir().join(format!("oikos-postgres-{}", std::process::id())))
    }

    /// As [`Self::start`], in a folder that is gone with it.
    pub(crate) fn start_in(folder: PathBuf) -> Result<Self> {
        let programs = match programs() {
            Some(programs) => programs,
            None => {
                installed("postgresql")?;
                self::programs().context("apt-get has installed no PostgreSQL")?
            }
        };
        fs::create_dir_all(&folder)?;
        let is_root = fs::metadata(&folder).is_ok_and(|made| std::os::unix::fs::MetadataExt::uid(&made) == 0);
        // It refuses to run as root.
        let user = is_root.then_some("postgres");
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let this = Self { folder, programs, port, user };
        let password = this.folder.join("password");
        fs::write(&password, PASSWORD)?;
        if let Some(user) = user {
            fs::set_permissions(&this.folder, fs::Permissions::from_mode(0o755))?;
            done(Command::new("chown").arg("-R").arg(user).arg(&this.folder))?;
        }
        let data = this.data();
        let mut init = this.command("initdb");
        init.arg("-D").arg(&data).args(["-U", ROLE, "-A", "scram-sha-256", "-E", "UTF8", "--no-locale"]);
        done(init.arg("--pwfile").arg(&password))?;
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\nfsync = on\n\
             max_connections = 200\n",
            this.folder.display()
        );
        let mut append = this.command_of("sh");
        append.arg("-c").arg("cat >> \"$0\"").arg(data.join("postgresql.conf")).stdin(Stdio::piped());
        let mut append = append.spawn()?;
        std::io::Write::write_all(&mut append.stdin.take().context("its input")?, settings.as_bytes())?;
        append.wait()?;
        this.control(&["start"])?;
        Ok(this)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// `pg_ctl`, as `start` or `stop -m immediate`.
    pub(crate) fn control(&self, words: &[&str]) -> Result<()> {
        let mut control = self.command("pg_ctl");
        control.arg("-D").arg(self.data()).arg("-w").arg("-l").arg(self.folder.join("log"));
        done(control.args(words))
    }

    /// The command line of `pg_ctl`, for a program that restarts the server.
    fn control_line(&self) -> String {
        let user = self.user.map_or(String::new(), |user| format!("runuser -u {user} -- "));
        let (program, data) = (self.programs.join("pg_ctl"), self.data());
        format!("{user}{} -D {} -w -l {}/log", program.display(), data.display(), self.folder.display())
    }

    /// Tells a program where the server is, how it is restarted and copied, and where its programs are.
    pub(crate) fn tell(&self, command: &mut Command) -> Result<()> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        command
            .env("OIKOS_POSTGRES_COPY", format!("postgres://{ROLE}@127.0.0.1:{port}/"))
            .env("OIKOS_POSTGRES_COPYING", self.copy_line(port))
            .env("OIKOS_POSTGRES_PROGRAMS", &self.programs)
            .env("OIKOS_POSTGRES", format!("postgres://{ROLE}@127.0.0.1:{}/", self.port))
            .env("OIKOS_POSTGRES_CONTROL", self.control_line())
            .env("PGPASSWORD", PASSWORD);
        Ok(())
    }

    /// Makes a database with the tables for worlds: its address, and the variable that its password is in.
    pub(crate) fn make(&self, binary: &Path, name: &str) -> Result<(String, (&'static str, &'static str))> {
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        let (url, (variable, password)) = self.database(name);
        done(Command::new(binary).env(variable, password).args(["pg", "init", &url]))?;
        Ok((url, (variable, password)))
    }

    /// The address of a database, and the variable that its password is in.
    fn database(&self, name: &str) -> (String, (&'static str, &'static str)) {
        (format!("postgres://{ROLE}@127.0.0.1:{}/{name}", self.port), ("PGPASSWORD", PASSWORD))
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Has the server listen to a network too.
    pub(crate) fn listen_to(&self, network: &str) -> Result<()> {
        self.sql("postgres", "ALTER SYSTEM SET listen_addresses = '*'")?;
        let line = format!("echo 'host all all {network} scram-sha-256' >> \"$0\"");
        done(self.command_of("sh").arg("-c").arg(line).arg(self.data().join("pg_hba.conf")))?;
        self.control(&["restart"])
    }

    /// Has the server do something in a database.
    pub(crate) fn sql(&self, database: &str, text: &str) -> Result<()> {
        let (url, (name, password)) = self.database(database);
        done(self.command("psql").env(name, password).args([
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            &url,
            "-c",
            text,
        ]))
    }

    /// The shell's text that makes a copy of the server, which follows it and is only read, and starts it at a port.
    fn copy_line(&self, port: u16) -> String {
        let user = self.user.map_or(String::new(), |user| format!("runuser -u {user} -- "));
        let (programs, copy) = (self.programs.display(), self.copy());
        let (copy, log) = (copy.display(), self.folder.join("log.copy"));
        format!(
            "{user}env PGPASSWORD=\"$PGPASSWORD\" {programs}/pg_basebackup -h 127.0.0.1 -p {} -U {ROLE} -D {copy} -R \
             -c fast && {user}{programs}/pg_ctl -D {copy} -w -l {} -o '-p {port}' start",
            self.port,
            log.display()
        )
    }

    fn copy(&self) -> PathBuf {
        self.folder.join("copy")
    }

    fn command(&self, program: &str) -> Command {
        self.command_of(self.programs.join(program))
    }

    /// A program as the user that the server runs as.
    pub(crate) fn command_of(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let Some(user) = self.user else { return Command::new(program) };
        let mut command = Command::new("runuser");
        command.args(["-u", user, "--"]).arg(program);
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.copy().exists() {
            let mut stop = self.command("pg_ctl");
            drop(done(stop.arg("-D").arg(self.copy()).args(["-w", "stop", "-m", "immediate"])));
        }
        let stopped = self.control(&["stop", "-m", "immediate"]);
        if let Err(error) = stopped.and_then(|()| Ok(fs::remove_dir_all(&self.folder)?)) {
            eprintln!("== postgres: `{}` is left: {error:#}", self.folder.display());
        }
    }
}

/// The folder of the newest server's programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(|version| Some(version.ok()?.path()));
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.filter(|path| path.join("bin/initdb").exists()).max_by_key(number);
    newest.map(|path| path.join("bin"))
}

/// Installs a package; lists of packages that are missing or old are brought up first.
pub(crate) fn installed(package: &str) -> Result<()> {
    let apt =
        |words: &[&str]| Command::new("apt-get").args(words).status().is_ok_and(|status| status.success());
    let install = ["install", "-y", "--no-install-recommends", package];
    if !(apt(&install) || apt(&["update"]) && apt(&install)) {
        bail!("{package} is missing: apt-get install {package}");
    }
    Ok(())
}

fn done(command: &mut Command) -> Result<()> {
    let output = command.stdout(Stdio::null()).output();
    let output = output.with_context(|| format!("{:?} can't be run", command.get_program()))?;
    if !output.status.success() {
        bail!("{:?} failed: {}", command.get_program(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

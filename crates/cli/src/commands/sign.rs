//! The sign at a door: `WORLD.door` beside a world that is being served says where, so that commands of this machine
//! find it. It is locked for as long as the process serves; a sign that nobody holds was left behind, and says nothing.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{ErrorKind, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use crate::print;

/// Bytes of a sign that are read.
const SIGN_BYTES_MAX: u64 = 4_096;
/// How often a sign is tried that somebody has, and how long between.
const TRIES: usize = 10;
const BETWEEN: Duration = Duration::from_millis(20);

/// The sign, until it is dropped.
pub(super) struct Sign {
    path: PathBuf,
    _held: File,
}

fn path_of(world: &Path) -> PathBuf {
    let mut path = world.as_os_str().to_owned();
    path.push(".door");
    path.into()
}

impl Sign {
    /// Puts a sign up, by one who alone writes to the world. A world without one is served all the same.
    pub(super) fn put_up(world: &Path, address: SocketAddr) -> Option<Self> {
        let path = path_of(world);
        let put = || {
            let mut file = opened(OpenOptions::new().write(true).create(true).truncate(false), &path)?;
            had(&file)?;
            file.set_len(0)?;
            file.write_all(format!("{}\n", json!({ "url": url(address) })).as_bytes())?;
            Ok(file)
        };
        match put() {
            Ok(file) => Some(Self { path, _held: file }),
            Err(error) => {
                let error: std::io::Error = error;
                let problem = match error.kind() {
                    ErrorKind::WouldBlock => {
                        "is held by the process that served this world before".to_owned()
                    }
                    _ => format!("can't be written: {error}"),
                };
                print::note(&format!(
                    "`{}` {problem}; the door is found by its address alone",
                    path.display()
                ));
                None
            }
        }
    }
}

impl Drop for Sign {
    fn drop(&mut self) {
        // One that stays says nothing any more.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Locks a sign. One who reads it has it for an instant, and a server that was overtaken for longer.
fn had(file: &File) -> std::io::Result<()> {
    for _ in 0..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN),
            had => return Ok(had?),
        }
    }
    Ok(file.try_lock()?)
}

fn opened(options: &mut OpenOptions, path: &Path) -> std::io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.open(path)
}

/// The URL by which this machine reaches a listener.
pub(super) fn url(address: SocketAddr) -> String {
    format!("http://{}", reached(address))
}

/// The address by which this machine reaches a listener.
fn reached(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Where a world is being served, if it is.
pub(super) fn read(world: &Path) -> Option<SocketAddr> {
    let mut file = File::open(path_of(world)).ok()?;
    if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return None;
    }
    let mut text = String::new();
    (&mut file).take(SIGN_BYTES_MAX).read_to_string(&mut text).ok()?;
    let told: Value = serde_json::from_str(&text).ok()?;
    told.get("url")?.as_str()?.strip_prefix("http://")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_is_read_while_it_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let world = folder.path().join("w.oikos");
        assert_eq!(read(&world), None);
        let sign = Sign::put_up(&world, "0.0.0.0:7777".parse().unwrap()).unwrap();
        assert_eq!(read(&world), Some("127.0.0.1:7777".parse().unwrap()));
        drop(sign);
        assert!(read(&world).is_none() && !path_of(&world).exists());
        // One of a process that was killed is there, and nobody holds it.
        std::fs::write(path_of(&world), "{\"url\": \"http://127.0.0.1:7777\"}\n").unwrap();
        assert_eq!(read(&world), None);
        // Another takes its place, however long it was.
        std::fs::write(path_of(&world), "x".repeat(9_000)).unwrap();
        let sign = Sign::put_up(&world, "[::1]:80".parse().unwrap()).unwrap();
        assert_eq!(read(&world), Some("[::1]:80".parse().unwrap()));
        drop(sign);
    }
}

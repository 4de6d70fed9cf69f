//! The layers of the second wall, each put up by the worker itself when it has opened what it needs. None of them is
//! relied on by the first wall, the sandbox; each is told of where the system does not have it.

use std::{io::Error, os::fd::AsRawFd as _, os::unix::net::UnixStream};

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::wire::Missing;

/// Bytes of data that a worker may have: those of as many suspended runs as an action may have, each with all the
/// memory that it may use.
const DATA_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// One layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// It can't be looked into, and leaves no core behind.
    Dumpable,
    /// No program that it could run has more rights than it.
    Privileges,
    /// It sees no file and no port, and signals nobody.
    Landlock,
    /// It opens no more files, makes no more processes, writes nothing; so it comes after those that open any.
    Limits,
    /// It can't call the system but for what running code needs.
    Seccomp,
}

impl Layer {
    /// Every layer, in the order in which they are put up.
    pub(super) const ALL: &[Self] =
        &[Self::Dumpable, Self::Privileges, Self::Landlock, Self::Limits, Self::Seccomp];

    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Dumpable => "dumpable",
            Self::Limits => "limits",
            Self::Privileges => "privileges",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        }
    }

    fn put_up(self, stream: &UnixStream) -> Result<(), String> {
        match self {
            Self::Dumpable => dumpable(),
            Self::Limits => limits(),
            Self::Privileges => privileges(),
            Self::Landlock => landlock(),
            Self::Seccomp => seccomp(stream),
        }
    }
}

/// Has the system end this process when the thread ends that started it.
///
/// # Errors
/// When it can't.
pub(super) fn end_with_parent() -> Result<(), Error> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}

/// Keeps this process's memory in small pages: its heap is small, and in large ones most of its start would be the
/// system's filling them with zeros. Where that can't be, it starts slower.
pub(super) fn keep_pages_small() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Puts up layers; tells those that could not be. From here on only `stream` is open.
pub(super) fn shut_in(stream: &UnixStream, layers: &[Layer]) -> Vec<Missing> {
    let missing = layers.iter().filter_map(|layer| {
        let why = layer.put_up(stream).err()?;
        Some(Missing { layer: layer.name().into(), why })
    });
    missing.collect()
}

/// The words for a system that has no such layer.
#[cfg(not(target_os = "linux"))]
const ELSEWHERE: &str = "only Linux has it";

#[cfg(target_os = "linux")]
fn dumpable() -> Result<(), String> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| error.to_string())
}

fn limits() -> Result<(), String> {
    let limit = |resource, most| {
        let (current, maximum) = (Some(most), Some(most));
        setrlimit(resource, Rlimit { current, maximum }).map_err(|error| format!("{resource:?}: {error}"))
    };
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Nproc, 0)?;
    limit(Resource::Nofile, 0)?;
    limit(Resource::Data, DATA_BYTES_MAX)
}

#[cfg(target_os = "linux")]
fn privileges() -> Result<(), String> {
    rustix::thread::set_no_new_privs(true).map_err(|error| error.to_string())
}

#[cfg(target_os = "linux")]
fn landlock() -> Result<(), String> {
    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
        RulesetStatus, Scope,
    };
    // As much of this as the system knows; nothing is allowed.
    let abi = ABI::V6;
    let rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)))
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self);
    match rules.map(|status| status.ruleset) {
        Ok(RulesetStatus::FullyEnforced) => Ok(()),
        Ok(RulesetStatus::PartiallyEnforced) => Err("this kernel has a part of it only".into()),
        Ok(RulesetStatus::NotEnforced) => Err("this kernel does not have it, or it is off".into()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(target_os = "linux")]
fn seccomp(stream: &UnixStream) -> Result<(), String> {
    let program = filter::program(stream.as_raw_fd())?;
    seccompiler::apply_filter_all_threads(&program).map_err(|error| error.to_string())
}

#[cfg(target_os = "linux")]
mod filter {
    //! The calls of the system that running code needs. The process ends at any other.

    use std::{collections::BTreeMap, os::fd::RawFd};

    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule, TargetArch,
    };

    /// Memory, waiting, closing, the end, and the clocks of this process.
    const FREE: &[i64] = &[
        libc::SYS_brk,
        libc::SYS_close,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_clock_gettime,
        libc::SYS_getrandom,
        libc::SYS_gettid,
        libc::SYS_getpid,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];

    /// `PROT_EXEC`: memory that holds code to run is there before the wall is.
    const EXECUTABLE: u64 = 4;

    /// `F_GETFD`: a build for development looks whether a file is open before it closes it.
    const F_GETFD: u64 = 1;

    /// The standard error, where the runtime of Rust says its last words.
    const ERRORS: u64 = 2;

    #[cfg(target_arch = "x86_64")]
    const ARCH: TargetArch = TargetArch::x86_64;
    #[cfg(target_arch = "aarch64")]
    const ARCH: TargetArch = TargetArch::aarch64;
    #[cfg(target_arch = "riscv64")]
    const ARCH: TargetArch = TargetArch::riscv64;

    pub(super) fn program(connection: RawFd) -> Result<BpfProgram, String> {
        let connection = u64::try_from(connection).map_err(|error| error.to_string())?;
        let is = |argument, operator, value| -> Result<SeccompRule, String> {
            let condition = SeccompCondition::new(argument, Dword, operator, value);
            SeccompRule::new(vec![condition.map_err(|error| error.to_string())?])
                .map_err(|error| error.to_string())
        };
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
            FREE.iter().map(|call| (*call, Vec::new())).collect();
        for call in [libc::SYS_read, libc::SYS_recvfrom, libc::SYS_sendto] {
            rules.insert(call, vec![is(0, SeccompCmpOp::Eq, connection)?]);
        }
        let writes = [connection, ERRORS].map(|file| is(0, SeccompCmpOp::Eq, file));
        rules.insert(libc::SYS_write, writes.into_iter().collect::<Result<_, _>>()?);
        for call in [libc::SYS_mmap, libc::SYS_mprotect] {
            rules.insert(call, vec![is(2, SeccompCmpOp::MaskedEq(EXECUTABLE), 0)?]);
        }
        rules.insert(libc::SYS_fcntl, vec![is(1, SeccompCmpOp::Eq, F_GETFD)?]);
        let filter = SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, ARCH);
        let filter = filter.map_err(|error| error.to_string())?;
        filter.try_into().map_err(|error: seccompiler::BackendError| error.to_string())
    }
}

#[cfg(not(target_os = "linux"))]
fn dumpable() -> Result<(), String> {
    Err(ELSEWHERE.into())
}

#[cfg(not(target_os = "linux"))]
fn privileges() -> Result<(), String> {
    Err(ELSEWHERE.into())
}

#[cfg(not(target_os = "linux"))]
fn landlock() -> Result<(), String> {
    Err(ELSEWHERE.into())
}

#[cfg(not(target_os = "linux"))]
fn seccomp(_: &UnixStream) -> Result<(), String> {
    Err(ELSEWHERE.into())
}

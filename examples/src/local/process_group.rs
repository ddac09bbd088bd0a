//! A program in a process group of its own, which does not outlive the process that started it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A running program with all the processes that it starts.
///
/// The group is killed when the value is dropped, and also when the owner itself is killed: a guard inside the
/// group reads from a pipe that only the owner holds open.
#[derive(Debug)]
pub struct ProcessGroup {
    leader: Child,
    lifeline: Option<ChildStdin>,
}

impl ProcessGroup {
    /// Starts `program`, with an environment of `environment` only, its output appended to the file `output`.
    ///
    /// # Errors
    /// Whatever opening the file or starting a process answers.
    pub fn spawn<A: AsRef<OsStr>>(
        program: &Path,
        arguments: &[A],
        environment: &[(&str, String)],
        output: &Path,
    ) -> io::Result<Self> {
        let log = append_to(output)?;
        Self::spawn_with(program, arguments, environment, log.try_clone()?.into(), log)
    }

    /// As [`ProcessGroup::spawn`], with a pipe to read the program's standard output from; the file gets its errors.
    ///
    /// # Errors
    /// As [`ProcessGroup::spawn`].
    pub fn spawn_talking<A: AsRef<OsStr>>(
        program: &Path,
        arguments: &[A],
        environment: &[(&str, String)],
        errors: &Path,
    ) -> io::Result<(Self, ChildStdout)> {
        let mut group = Self::spawn_with(program, arguments, environment, Stdio::piped(), append_to(errors)?)?;
        let output = group.leader.stdout.take().ok_or_else(|| io::Error::other("there is no pipe"))?;
        Ok((group, output))
    }

    fn spawn_with<A: AsRef<OsStr>>(
        program: &Path,
        arguments: &[A],
        environment: &[(&str, String)],
        output: Stdio,
        errors: fs::File,
    ) -> io::Result<Self> {
        let mut leader = Command::new("/bin/sh")
            .args(["-c", GUARDED_EXEC, "guarded"])
            .arg(program)
            .args(arguments)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()?;
        let lifeline = leader.stdin.take();
        Ok(Self { leader, lifeline })
    }

    /// The process id of the program, which is also the id of the group.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.leader.id()
    }

    /// The program's exit status, or `None` while it runs.
    ///
    /// # Errors
    /// Whatever the operating system answers.
    pub fn exit_status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.leader.try_wait()
    }

    /// Asks the program to stop in good order (SIGTERM).
    ///
    /// # Errors
    /// The signal could not be sent.
    pub fn terminate(&self) -> io::Result<()> {
        let status = Command::new("/bin/sh").args(["-c", "kill -TERM \"$0\"", &self.id().to_string()]).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other("kill -TERM failed")) }
    }

    /// Kills the program (SIGKILL) and whatever else is in its group, and returns when all are gone.
    ///
    /// # Errors
    /// A process of the group is still there after a minute.
    pub fn kill(&mut self) -> io::Result<()> {
        // The program first, by its own handle: it must not see its helpers die before it.
        self.leader.kill()?;
        drop(self.lifeline.take());
        self.leader.wait()?;
        let deadline = Instant::now() + GROUP_ENDS_WITHIN;
        while group_has_members(self.leader.id())? {
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "a process of the group does not end"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Processor time of the program so far, user and system, in seconds.
    ///
    /// # Errors
    /// The program has ended.
    pub fn cpu_seconds(&self) -> io::Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        let mut fields = fields_after_name(&stat).skip(11).map(str::parse::<u32>);
        let (Some(Ok(user)), Some(Ok(system))) = (fields.next(), fields.next()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "/proc/<pid>/stat has another form"));
        };
        Ok((f64::from(user) + f64::from(system)) / TICKS_PER_SECOND)
    }

    /// Resident memory of the program, in bytes.
    ///
    /// # Errors
    /// The program has ended.
    pub fn rss_bytes(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok())
            .map(|kibibytes| kibibytes * 1024)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the process has ended"))
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // Nobody is left to tell; the guard in the group kills what this could not.
        let _ = self.kill();
    }
}

fn append_to(path: &Path) -> io::Result<fs::File> {
    fs::File::options().create(true).append(true).open(path)
}

fn group_has_members(group: u32) -> io::Result<bool> {
    for entry in fs::read_dir("/proc")? {
        // A process may end between the listing and the reading.
        let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) else { continue };
        let mut fields = fields_after_name(&stat);
        let (state, process_group) = (fields.next(), fields.nth(1));
        if state != Some("Z") && process_group.and_then(|id| id.parse().ok()) == Some(group) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The fields of `/proc/<pid>/stat` from the third on (proc(5)); the second is a name that may hold blanks.
fn fields_after_name(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace()
}

/// The guard waits for the end of the pipe in the background; the shell itself becomes the program.
const GUARDED_EXEC: &str =
    r#"exec 3<&0; (read -r _; kill -s KILL -- "-$$") <&3 >/dev/null 2>&1 & exec "$@" </dev/null 3<&-"#;

/// `USER_HZ` of Linux, the unit of times in `/proc`.
const TICKS_PER_SECOND: f64 = 100.0;
const GROUP_ENDS_WITHIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn killing_ends_the_program_and_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let mut group = ProcessGroup::spawn(
            Path::new("/bin/sh"),
            &["-c", "sleep 1000 & echo started; wait"],
            &[("PATH", "/usr/bin:/bin".to_owned())],
            &folder.path().join("output"),
        )
        .unwrap();
        while fs::read_to_string(folder.path().join("output")).unwrap().is_empty() {
            thread::yield_now();
        }
        group.kill().unwrap();
        assert!(!group_has_members(group.id()).unwrap());
        assert!(group.exit_status().unwrap().is_some());
    }

    #[test]
    fn the_group_ends_when_its_owner_loses_hold_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut group = ProcessGroup::spawn(
            Path::new("/bin/sleep"),
            &["1000"],
            &[("PATH", "/usr/bin:/bin".to_owned())],
            &folder.path().join("output"),
        )
        .unwrap();
        // What the operating system does to the pipe of an owner that is killed.
        drop(group.lifeline.take());
        assert_eq!(group.leader.wait().unwrap().code(), None, "ended by a signal");
    }
}

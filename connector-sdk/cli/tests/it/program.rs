//! Running the program.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_saphan");

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn new(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The one object on standard output.
    pub(crate) fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.out).unwrap_or_else(|error| {
            panic!("not one JSON object ({error}): {}\nstandard error: {}", self.out, self.err)
        });
        assert!(value.is_object(), "{value}");
        value
    }
}

/// Runs the program in `folder` until it ends.
pub(crate) fn saphan<A: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = A>) -> Ended {
    saphan_with(folder, &[], arguments)
}

/// As [`saphan`], with more in its environment.
pub(crate) fn saphan_with<A: AsRef<OsStr>>(
    folder: &Path,
    environment: &[(&str, &OsStr)],
    arguments: impl IntoIterator<Item = A>,
) -> Ended {
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder).args(arguments).env_remove("SAPHAN_CONFIG").env_remove("SAPHAN_LOG");
    command.envs(environment.iter().copied());
    Ended::new(command.output().unwrap())
}

/// As [`saphan`], while this test's own hub answers.
pub(crate) async fn saphan_beside<A: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = A>) -> Ended {
    saphan_beside_with(folder, &[], arguments).await
}

/// As [`saphan_beside`], with more in its environment.
pub(crate) async fn saphan_beside_with<A: AsRef<OsStr>>(
    folder: &Path,
    environment: &[(&str, &OsStr)],
    arguments: impl IntoIterator<Item = A>,
) -> Ended {
    let mut command = tokio::process::Command::new(PROGRAM);
    command.current_dir(folder).args(arguments).env_remove("SAPHAN_CONFIG").env_remove("SAPHAN_LOG");
    command.envs(environment.iter().copied());
    Ended::new(command.kill_on_drop(true).output().await.unwrap())
}

/// Runs the program in this folder until it reads a file there, and kills it then.
pub(crate) fn killed_at(folder: &Path, path: &str, arguments: &[&str]) {
    // Whoever reads a pipe waits for whoever writes it.
    let file = folder.join(path);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    let mut program = Command::new(PROGRAM);
    let mut program = program.current_dir(folder).args(arguments).stdout(Stdio::null()).spawn().unwrap();
    let reading = std::fs::File::options().write(true).open(&file).unwrap();
    program.kill().unwrap();
    program.wait().unwrap();
    drop(reading);
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, bytes).unwrap();
}

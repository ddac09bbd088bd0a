//! An agency with nothing but the `saphan` program and a folder.

use std::ffi::OsStr;
use std::path::Path;

use saphan_conformance::programs;
use saphan_examples::local::hub::{HubOptions, HubProcess, HubProgram};
use saphan_examples::registry;
use saphan_schemas::registry::TransportKind;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::patience::in_time;

/// A hub whose systems have no keys yet.
pub(crate) async fn hub() -> HubProcess {
    let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
    let registry = registry::of_the_examples(TransportKind::Pull, |_| None).unwrap().to_toml().unwrap();
    HubProcess::start(HubOptions::new(program, registry)).await.unwrap()
}

/// Runs `saphan` in a folder; its exit code and the object that it printed.
pub(crate) async fn saphan(folder: &Path, arguments: &[&str]) -> (i32, Value) {
    saphan_with(&[], folder, arguments).await
}

/// As [`saphan`], with more in its environment.
pub(crate) async fn saphan_with(environment: &[(&str, &OsStr)], folder: &Path, arguments: &[&str]) -> (i32, Value) {
    let mut command = Command::new(programs::saphan().unwrap());
    command.envs(environment.iter().copied());
    let command = command.arg("--json").args(arguments).current_dir(folder).kill_on_drop(true);
    let output = in_time(command.output(), || format!("saphan {arguments:?} does not end")).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let told = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text} {:?}", output.stderr));
    (output.status.code().unwrap(), told)
}

/// Runs `saphan`, which must succeed.
pub(crate) async fn done(folder: &Path, arguments: &[&str]) -> Value {
    let (code, told) = saphan(folder, arguments).await;
    assert_eq!(code, 0, "{arguments:?}: {told}");
    told
}

/// Joins as this system in a new folder, and signs all its agreements.
pub(crate) async fn join(hub: &HubProcess, system: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let code = hub.invite(&system.parse().unwrap()).await.unwrap();
    let joined = done(folder.path(), &["join", hub.url(), &code]).await;
    assert_eq!(joined["system"], system);
    done(folder.path(), &["agreements", "sign", "--all"]).await;
    folder
}

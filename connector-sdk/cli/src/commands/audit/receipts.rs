//! `saphan audit receipts`: holds receipts that were kept against the logs that they are of.

use std::path::{Path, PathBuf};

use clap::Args;
use saphan_schemas::json::parse_typed;
use saphan_schemas::message::MessageFile;
use serde_json::{Value, json};

use super::language::Language;
use crate::commands::log::{LogArguments, no_or_unknown};
use crate::files::{self, Readers};
use crate::log_check;
use crate::outcome::{Exit, Failure, Outcome};
use crate::progress::Bar;
use crate::receipts::{Comparing, Comparison, Contradiction, ContradictionClass};

#[derive(Debug, Args)]
pub(crate) struct ReceiptsArguments {
    #[command(flatten)]
    log: LogArguments,

    /// Messages' files *.saphan.json, or folders of them
    #[arg(long, value_name = "FILE|DIR", required = true, num_args = 1..)]
    kept: Vec<PathBuf>,

    /// The folder for what proves a contradiction, one file for each; it is made if there is one
    #[arg(long, value_name = "DIR", default_value = "contradictions")]
    evidence: PathBuf,

    /// The language of the verdict
    #[arg(long, value_enum, default_value = "en")]
    lang: Language,
}

pub(crate) async fn run(arguments: ReceiptsArguments) -> Result<Outcome, Failure> {
    let kept = read(&arguments.kept)?;
    let opened = arguments.log.open().await?;
    let bar = Bar::new();
    let checked = log_check::with_earlier(&*opened.source, &opened.vkey, &bar).await;
    drop(bar);
    let (report, registry, earlier) = match checked {
        Ok((report, Some(found), earlier)) => (report, found.registry, earlier),
        Ok((_, None, _)) => return Err(Failure::caller("the log is empty", "Give the log that the receipts are of.")),
        Err(error) => return Ok(opened.tell(no_or_unknown(&error, &opened.name)?)),
    };
    let mut comparing = Comparing::new(&*opened.source, &report, &registry, &earlier);
    let mut found = Vec::with_capacity(kept.len());
    for (path, file) in &kept {
        let compared = comparing.compare(&file.receipt).await;
        let compared = compared.map_err(|error| Failure::hub(error, "Check the address, and try again."))?;
        let evidence = match &compared {
            Comparison::Contradicts(contradiction) => Some(write(&arguments.evidence, path, contradiction)?),
            _ => None,
        };
        found.push(Found { path, compared, evidence });
    }
    Ok(opened.tell(told(&report.origin, &found, arguments.lang)))
}

struct Found<'a> {
    path: &'a Path,
    compared: Comparison,
    evidence: Option<PathBuf>,
}

fn told(origin: &str, found: &[Found<'_>], language: Language) -> Outcome {
    let agree = found.iter().filter(|one| matches!(one.compared, Comparison::Agrees { .. })).count();
    let all = found.len();
    let mut text = match language {
        Language::En => format!("{origin}: {agree} of {all} receipts agree with the log\n"),
        Language::Th => format!("{origin}: ใบรับ {agree} จาก {all} ฉบับตรงกับบันทึก\n"),
    };
    let mut exit = Exit::Done;
    for one in found {
        let (name, why) = match &one.compared {
            Comparison::Agrees { .. } => continue,
            Comparison::Contradicts(contradiction) => {
                exit = Exit::No;
                (
                    contradiction.class.name(),
                    language.of(english(contradiction.class), thai(contradiction.class)).to_owned(),
                )
            }
            Comparison::NotOfThisHub(reason) => {
                if matches!(exit, Exit::Done | Exit::Later) {
                    exit = Exit::Usage;
                }
                ("no-evidence", reason.to_string())
            }
            Comparison::NotAtHand { log } => {
                if matches!(exit, Exit::Done) {
                    exit = Exit::Later;
                }
                ("not-compared", not_at_hand(log, language))
            }
        };
        text.push_str(&format!("  {}: {name}: {why}\n", one.path.display()));
        text.extend(one.evidence.iter().map(|path| format!("    {}\n", path.display())));
    }
    let files: Vec<Value> = found.iter().map(object).collect();
    let holds = matches!(exit, Exit::Done);
    Outcome { exit, text, json: json!({ "verdict": { "holds": holds }, "agree": agree, "files": files }) }
}

fn object(one: &Found<'_>) -> Value {
    match &one.compared {
        Comparison::Agrees { log, index } => {
            json!({ "file": one.path, "agrees": true, "log": log, "index": index })
        }
        Comparison::Contradicts(contradiction) => {
            json!({ "file": one.path, "agrees": false, "class": contradiction.class, "evidence": one.evidence })
        }
        Comparison::NotOfThisHub(reason) => json!({ "file": one.path, "agrees": null, "reason": reason.to_string() }),
        Comparison::NotAtHand { log } => {
            let reason = not_at_hand(log, Language::En);
            json!({ "file": one.path, "agrees": null, "log": log, "reason": reason })
        }
    }
}

fn not_at_hand(log: &str, language: Language) -> String {
    match language {
        Language::En => {
            format!("it could not be compared: its log {log} is not the one that was given, and none before it")
        }
        Language::Th => format!("เปรียบเทียบไม่ได้: {log} ไม่ใช่บันทึกที่ระบุ และไม่ใช่บันทึกก่อนหน้านั้น"),
    }
}

const fn english(class: ContradictionClass) -> &'static str {
    match class {
        ContradictionClass::ReceiptWithoutEntry => "the hub signed a receipt for more entries than the log shows",
        ContradictionClass::OtherEntry => "at its place in the log stands another entry",
        ContradictionClass::Fork => "the log was another one when the hub signed it",
        ContradictionClass::Lost => {
            "the hub accepted it in a log that it has abandoned, and has lost the entry; send the message again"
        }
    }
}

const fn thai(class: ContradictionClass) -> &'static str {
    match class {
        ContradictionClass::ReceiptWithoutEntry => "ศูนย์กลางลงลายมือชื่อใบรับโดยระบุจำนวนรายการมากกว่าที่บันทึกแสดง",
        ContradictionClass::OtherEntry => "ในตำแหน่งของใบรับมีรายการอื่นอยู่",
        ContradictionClass::Fork => "ขณะที่ศูนย์กลางลงลายมือชื่อใบรับ บันทึกเป็นคนละชุดกับที่แสดงอยู่",
        ContradictionClass::Lost => "ศูนย์กลางรับข้อความนี้ไว้ในบันทึกที่เลิกใช้แล้ว และรายการสูญหาย โปรดส่งข้อความอีกครั้ง",
    }
}

/// All files, those of folders in the order of their names.
fn read(kept: &[PathBuf]) -> Result<Vec<(PathBuf, MessageFile)>, Failure> {
    let mut paths = Vec::new();
    for path in kept {
        if !path.is_dir() {
            paths.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(|error| Failure::unreadable(path, &error))?;
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| Failure::unreadable(path, &error))?.path();
            found.extend(Some(entry).filter(|entry| entry.to_string_lossy().ends_with(".saphan.json")));
        }
        if found.is_empty() {
            let what = format!("{} has no *.saphan.json", path.display());
            return Err(Failure::caller(
                what,
                "Give the folder that `saphan listen --save` or `send --save` writes into.",
            ));
        }
        found.sort();
        paths.extend(found);
    }
    paths.into_iter().map(|path| read_one(&path).map(|file| (path, file))).collect()
}

fn read_one(path: &Path) -> Result<MessageFile, Failure> {
    let bytes = std::fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
    parse_typed(&bytes).map_err(|error| {
        Failure::caller(format!("{} is not a message's file: {error}", path.display()), "Give a *.saphan.json.")
    })
}

/// Nothing in it is about a person.
fn write(folder: &Path, message: &Path, contradiction: &Contradiction) -> Result<PathBuf, Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::unwritable(folder, &error))?;
    let name = message.file_name().unwrap_or_default().to_string_lossy().replace(".saphan.json", "");
    let path = folder.join(format!("{name}.{}.json", contradiction.class.name()));
    let text = serde_json::to_string_pretty(contradiction)
        .map_err(|error| Failure::machine(error, "This is a fault of the program; please report it."))?;
    // The same contradiction found again is the same file.
    files::replace(&path, text.as_bytes(), Readers::All).map_err(|error| Failure::unwritable(&path, &error))?;
    Ok(path)
}

//! `saphan-hub schema`: publish a schema's text, look at those that stand, check one before it is published.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use saphan_schemas::catalogue::{Candidate, Catalogue, Compatibility, Finding, SchemaText, Unpublishable};
use saphan_schemas::ids::{Reason, SchemaId};
use saphan_schemas::registry::{Change, Entry, Schema};

use super::change::{Author, Changes};
use super::{ConfigArguments, change, output, run};
use crate::registry::Registry;

#[derive(Debug, Subcommand)]
pub(super) enum SchemaCommand {
    /// Publish the text in FILE: a new schema, or a new minor version of one. A running hub checks messages against it at once.
    Publish(PublishArguments),
    /// Say whether the text in FILE could be published, and nothing else.
    Check {
        #[command(flatten)]
        text: TextArguments,
        #[command(flatten)]
        config: ConfigArguments,
    },
    /// The schemas that stand: id, version, SHA-256 of the text, and what is to be known about it.
    List(ConfigArguments),
}

#[derive(Debug, Args)]
pub(super) struct TextArguments {
    /// A JSON Schema 2020-12 whose $id is urn:saphan:schema:<name>@<major version>.
    file: PathBuf,
    /// Bodies that the text before it accepts, one a file (*.json); those that it does accept must be accepted still.
    #[arg(long, value_name = "FOLDER")]
    examples: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct PublishArguments {
    #[command(flatten)]
    text: TextArguments,
    /// The schema that the text must be of.
    #[arg(long, value_name = "NAME@MAJOR")]
    id: Option<SchemaId>,
    /// Publish though it cannot be decided whether the text is compatible, for this reason. The reason is written into the public
    /// log: nothing about a person.
    #[arg(long, value_name = "REASON")]
    accept_unknown: Option<Reason>,
    /// Say what would be published, and publish nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    config: ConfigArguments,
}

pub(super) fn schema(command: &SchemaCommand) -> anyhow::Result<()> {
    match command {
        SchemaCommand::Publish(arguments) => publish(arguments),
        SchemaCommand::Check { text, config } => check(text, config),
        SchemaCommand::List(config) => list(config),
    }
}

/// A text that was judged, and what is to be written for it.
struct Judged {
    candidate: Candidate,
    schema: Schema,
    /// Whether the registry has another text of it now.
    replaces: bool,
    /// Whether the registry has this very text now.
    stands: bool,
}

fn publish(arguments: &PublishArguments) -> anyhow::Result<()> {
    let config = run::load(&arguments.config.config)?;
    let text = read(&arguments.text.file)?;
    if arguments.dry_run {
        let plan = |registry: &Registry| plan(registry, &text, arguments);
        let (judged, _) = change::read(&config, plan)?;
        println!("would publish {}", told(&judged.schema));
        return Ok(());
    }
    let mut planned = None;
    change::write_with_texts(&config, |registry| {
        let (judged, changes) = plan(registry, &text, arguments)?;
        planned = Some((judged.stands, told(&judged.schema)));
        Ok(changes)
    })?;
    let (stands, told) = planned.context("nothing was planned")?;
    println!("{} {told}", if stands { "stands already:" } else { "published" });
    Ok(())
}

fn plan(registry: &Registry, text: &str, arguments: &PublishArguments) -> anyhow::Result<(Judged, Changes)> {
    let mut judged = judge(registry, text, &arguments.text)?;
    let id = &judged.schema.id;
    if arguments.id.as_ref().is_some_and(|wanted| wanted != id) {
        bail!("the text is that of {id}");
    }
    match &judged.candidate.compatibility {
        Compatibility::Incompatible(findings) => return Err(refused(INCOMPATIBLE, findings)),
        Compatibility::Unknown(findings) => match &arguments.accept_unknown {
            None => return Err(refused(UNDECIDED, findings)),
            Some(reason) => {
                eprintln!("accepted by the operator, undecided:{}", lines(findings));
                judged.schema.accepted = Some(reason.clone());
            }
        },
        Compatibility::New | Compatibility::Same | Compatibility::Compatible => {
            if arguments.accept_unknown.is_some() {
                eprintln!("--accept-unknown is not needed, and is not logged: the text is compatible");
            }
        }
    }
    let changes = match (judged.stands, judged.replaces) {
        (true, _) => Vec::new(),
        (false, true) => vec![Change::Changed(Entry::Schema(judged.schema.clone()))],
        (false, false) => vec![Change::Added(Entry::Schema(judged.schema.clone()))],
    };
    let texts = vec![judged.candidate.text.clone()];
    Ok((judged, Changes { author: Author::Operator, changes, texts }))
}

fn check(arguments: &TextArguments, config: &ConfigArguments) -> anyhow::Result<()> {
    let config = run::load(&config.config)?;
    let text = read(&arguments.file)?;
    let judged = change::read(&config, |registry| judge(registry, &text, arguments))?;
    let verdict = match &judged.candidate.compatibility {
        Compatibility::Incompatible(findings) => return Err(refused(INCOMPATIBLE, findings)),
        Compatibility::Unknown(findings) => return Err(refused(UNDECIDED, findings)),
        Compatibility::New => "a new schema",
        Compatibility::Same if judged.stands => "the text that stands",
        Compatibility::Same => "the text that stood last",
        Compatibility::Compatible => "compatible with the text before it",
    };
    println!("{}: {verdict}", told(&judged.schema));
    Ok(())
}

fn list(config: &ConfigArguments) -> anyhow::Result<()> {
    let config = run::load(&config.config)?;
    change::read(&config, |registry| {
        let current = registry.current();
        let here =
            |schema: &Schema| current.catalogue.schema(&schema.id).is_some_and(|text| text.sha256 == schema.sha256);
        output::print(|output| {
            current.state.schemas().try_for_each(|schema| {
                let missing = if here(schema) { "" } else { "\tthe hub does not have this text" };
                writeln!(output, "{}{missing}", told(schema))
            })
        })
    })
}

fn judge(registry: &Registry, text: &str, arguments: &TextArguments) -> anyhow::Result<Judged> {
    let current = registry.current();
    let before = SchemaText::parse(text).ok().and_then(|text| current.state.schema_texts(&text.id).last().copied());
    let candidate = current.catalogue.candidate(text, before).map_err(unpublishable)?;
    let (id, sha256) = (&candidate.text.id, candidate.text.sha256);
    if let Some(folder) = &arguments.examples {
        try_examples(folder, &current.catalogue, &candidate)?;
    }
    let version = current.state.schema_version(id, sha256);
    let schema = Schema { version, ..Schema::first(id.clone(), sha256) };
    let standing = current.state.schema(id).map(|schema| schema.sha256);
    let stands = standing == Some(sha256);
    Ok(Judged { schema, replaces: standing.is_some() && !stands, stands, candidate })
}

/// A second look beside the proof: bodies that are accepted now must be accepted still.
fn try_examples(folder: &Path, standing: &Catalogue, candidate: &Candidate) -> anyhow::Result<()> {
    let id = &candidate.text.id;
    let (mut tried, mut refused) = (0, String::new());
    for entry in fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let example = serde_json::from_str(&read(&path)?).with_context(|| format!("{} is not JSON", path.display()))?;
        if standing.schema(id).is_some() && standing.validate(id, &example).is_err() {
            continue;
        }
        tried += 1;
        if let Err(violation) = candidate.catalogue.validate(id, &example) {
            refused.push_str(&format!("\n  {}: {violation}", path.display()));
        }
    }
    if !refused.is_empty() {
        bail!("the text refuses examples that are accepted:{refused}");
    }
    eprintln!("{tried} example(s) are accepted");
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}

fn unpublishable(error: Unpublishable) -> anyhow::Error {
    match error {
        Unpublishable::Profile { findings } => refused(OUTSIDE, &findings),
        error => error.into(),
    }
}

fn refused(why: &str, findings: &[Finding]) -> anyhow::Error {
    anyhow::anyhow!("{why}{}", lines(findings))
}

fn lines(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("\n  {finding}")).collect()
}

fn told(schema: &Schema) -> String {
    let Schema { id, version, sha256, accepted } = schema;
    let accepted = accepted.as_ref().map(|reason| format!("\taccepted: {reason}")).unwrap_or_default();
    format!("{id}\t{version}\t{sha256}{accepted}")
}

const OUTSIDE: &str = "the text is outside of the profile for schemas:";
const INCOMPATIBLE: &str = "the text refuses what the text before it accepts; publish it as a new major version:";
const UNDECIDED: &str = "it cannot be decided whether the text accepts all that the text before it accepts; look at these places, then publish it \
     with --accept-unknown REASON, or leave it:";

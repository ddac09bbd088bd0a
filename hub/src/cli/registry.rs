//! `saphan-hub registry`: apply a file, look at what stands, end something, give roles.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::Signer;
use saphan_schemas::registry::{
    AgreementRecord, AgreementSignature, Change, Entry, EntryId, RegistryState, Role, System,
};

use super::change::{self, Author, Changes};
use super::{ConfigArguments, output, run};
use crate::config::Config;
use crate::registry::{Registry, RegistryFile, RegistryView, changes_for};

#[derive(Debug, Subcommand)]
pub(super) enum RegistryCommand {
    /// Add and change what FILE says, as signed entries in the log; works on a running hub and on a stopped one.
    Apply {
        /// A TOML file with [[member]], [[system]], [[service]], [[agreement]] and [revoke].
        file: PathBuf,
        /// Say what would change, and change nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        config: ConfigArguments,
    },
    /// Print what stands: keys of the hub, members, systems with their keys, services, agreements, invitations, schemas.
    Show {
        /// As one JSON object.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArguments,
    },
    /// End something at once and for ever. What goes with it: a member's systems; a system's keys, invitations and agreements.
    Revoke {
        #[arg(value_enum)]
        kind: Kind,
        /// Its id, as `registry show` prints it; a key's is its thumbprint.
        // One thumbprint in 64 begins with a hyphen, and so do ids of invitations.
        #[arg(allow_hyphen_values = true)]
        id: String,
        #[command(flatten)]
        config: ConfigArguments,
    },
    /// Give a system these roles, in place of those that it has.
    Roles {
        /// The system, e.g. th.oag/audit.
        system: SystemId,
        /// What it may do.
        #[arg(value_enum, required = true)]
        roles: Vec<RoleName>,
        #[command(flatten)]
        config: ConfigArguments,
    },
}

/// What can end.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    /// A key of a system.
    Key,
    /// A system.
    System,
    /// A member.
    Member,
    /// A public service.
    Service,
    /// A schema.
    Schema,
    /// An agreement.
    Agreement,
    /// An invitation that was not used.
    Invitation,
}

/// What a system may do.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum RoleName {
    /// Send, receive and acknowledge messages, as agreements allow.
    System,
    /// Look at the state of every message, and at the registry.
    Auditor,
    /// Change the registry.
    Operator,
}

pub(super) fn registry(command: RegistryCommand) -> anyhow::Result<()> {
    match command {
        RegistryCommand::Apply { file, dry_run, config } => apply(&file, dry_run, &config),
        RegistryCommand::Show { json, config } => show(json, &config),
        RegistryCommand::Revoke { kind, id, config } => revoke(kind, &id, &config),
        RegistryCommand::Roles { system, roles, config } => give_roles(&system, &roles, &config),
    }
}

fn apply(file: &Path, dry_run: bool, config: &ConfigArguments) -> anyhow::Result<()> {
    let config = run::load(&config.config)?;
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let mut file = RegistryFile::parse(&text).with_context(|| format!("{}", file.display()))?;
    let own = own_system(&config)?;
    add_own_key(&mut file, own.as_ref());
    let plan = |registry: &Registry| changes_for(&registry.state(), file, registry.embedded().schemas());
    if dry_run {
        let changes = change::read(&config, |registry| Ok(plan(registry)?))?;
        let lines: Vec<_> = changes.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        return output::print(|output| {
            lines.iter().try_for_each(|line| writeln!(output, "{line}"))?;
            writeln!(output, "{} registry entries would be written", lines.len())
        });
    }
    let applied = change::write_with_texts(&config, |registry| {
        let texts = registry.embedded().schemas().cloned().collect();
        Ok(Changes { author: Author::Operator, changes: plan(registry)?, texts })
    })?;
    println!("{applied} registry entries written");
    if let Some((system, signer)) = own {
        let signed = sign_own_agreements(&config, &system, signer)?;
        println!("{signed} agreements signed for {system}, the hub's own system");
    }
    Ok(())
}

/// The hub's own system with its key, if the configuration names one.
fn own_system(config: &Config) -> anyhow::Result<Option<(SystemId, Arc<dyn Signer>)>> {
    let Some(system) = config.cases.system.clone() else { return Ok(None) };
    let signer = config.key_store().cases().context("the key of the hub's own system cannot be used")?;
    Ok(Some((system, signer)))
}

/// The file names the hub's own system like any other; its key is here.
fn add_own_key(file: &mut RegistryFile, own: Option<&(SystemId, Arc<dyn Signer>)>) {
    let Some((system, signer)) = own else { return };
    if let Some(section) = file.system.iter_mut().find(|section| section.id == *system)
        && !section.keys.contains(signer.public())
    {
        section.keys.push(*signer.public());
    }
}

/// Whoever runs the hub signs for the hub's own system what it has put into the registry.
fn sign_own_agreements(config: &Config, system: &SystemId, signer: Arc<dyn Signer>) -> anyhow::Result<usize> {
    let member = system.member();
    change::write_with_texts(config, |registry| {
        let unsigned = |record: &&AgreementRecord| record.unsigned().contains(&member);
        let sign = |record: &AgreementRecord| {
            let (agreement, terms) = (record.agreement.id.clone(), record.terms);
            Change::Signed(AgreementSignature { agreement, terms })
        };
        let changes = registry.state().agreements_of(system).filter(unsigned).map(sign).collect();
        Ok(Changes { author: Author::System(system.clone(), signer), changes, texts: Vec::new() })
    })
}

fn show(json: bool, config: &ConfigArguments) -> anyhow::Result<()> {
    let config = run::load(&config.config)?;
    change::read(&config, |registry| {
        let state = registry.state();
        output::view(&RegistryView::new(&state), json)
    })
}

fn revoke(kind: Kind, id: &str, config: &ConfigArguments) -> anyhow::Result<()> {
    let config = run::load(&config.config)?;
    let entry = entry_id(kind, id).with_context(|| format!("{id} is not the id of such a thing"))?;
    change::write(&config, |_| Ok(vec![Change::Revoked(entry)]))?;
    println!("revoked; nothing of it is accepted from now on");
    Ok(())
}

fn entry_id(kind: Kind, id: &str) -> anyhow::Result<EntryId> {
    Ok(match kind {
        Kind::Key => EntryId::Key(id.parse()?),
        Kind::System => EntryId::System(id.parse()?),
        Kind::Member => EntryId::Member(id.parse()?),
        Kind::Service => EntryId::Service(id.parse()?),
        Kind::Schema => EntryId::Schema(id.parse()?),
        Kind::Agreement => EntryId::Agreement(id.parse()?),
        Kind::Invitation => EntryId::Invitation(id.parse()?),
    })
}

fn give_roles(system: &SystemId, roles: &[RoleName], config: &ConfigArguments) -> anyhow::Result<()> {
    let config = run::load(&config.config)?;
    let roles: BTreeSet<Role> = roles.iter().copied().map(Role::from).collect();
    let written = change::write(&config, |state| with_roles(state, system, roles))?;
    println!("{}", if written == 0 { "it has these roles already" } else { "it has these roles from now on" });
    Ok(())
}

fn with_roles(state: &RegistryState, system: &SystemId, roles: BTreeSet<Role>) -> anyhow::Result<Vec<Change>> {
    let Some(standing) = state.system(system) else { bail!("{system} does not exist") };
    if standing.roles == roles {
        return Ok(Vec::new());
    }
    Ok(vec![Change::Changed(Entry::System(System { roles, ..standing.clone() }))])
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::System => Self::System,
            RoleName::Auditor => Self::Auditor,
            RoleName::Operator => Self::Operator,
        }
    }
}

//! `saphan-hub invite`.

use anyhow::bail;
use clap::Args;
use saphan_schemas::ids::SystemId;
use saphan_schemas::invitation::InvitationCode;
use saphan_schemas::registry::{Change, Entry, Invitation, RegistryState, System, TransportKind, just_a_system};

use super::{ConfigArguments, change, run};

#[derive(Debug, Args)]
pub(super) struct InviteArguments {
    /// The system, e.g. th.dlt/licensing. Its member must be registered; the system itself is, if it is not yet.
    system: SystemId,
    /// How its messages will reach it, if it is not registered yet.
    #[arg(long, value_parser = transport, default_value = "pull")]
    transport: TransportKind,
    /// How long the code works, in minutes.
    #[arg(long, value_name = "MINUTES", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=10_080))]
    valid_for: u32,
    #[command(flatten)]
    config: ConfigArguments,
}

pub(super) fn invite(arguments: &InviteArguments) -> anyhow::Result<()> {
    let config = run::load(&arguments.config.config)?;
    let code = InvitationCode::generate()?;
    let invitation = Invitation {
        id: code.id()?,
        system: arguments.system.clone(),
        not_after: change::now() + u64::from(arguments.valid_for) * 60,
    };
    change::write(&config, |state| changes(state, arguments, invitation))?;
    println!("{}", &*code.text());
    eprintln!(
        "The code works once, for {} and for {} minutes. Give it to whoever runs that system; there:\n  saphan join HUB-URL CODE",
        arguments.system, arguments.valid_for
    );
    Ok(())
}

fn changes(state: &RegistryState, arguments: &InviteArguments, invitation: Invitation) -> anyhow::Result<Vec<Change>> {
    let id = &arguments.system;
    let mut changes = Vec::new();
    if state.system(id).is_none() {
        if state.member(&id.member()).is_none() {
            bail!("{} is not a member of the exchange; add it with `saphan-hub registry apply`", id.member());
        }
        let system = System { id: id.clone(), transport: arguments.transport, roles: just_a_system() };
        changes.push(Change::Added(Entry::System(system)));
    }
    changes.push(Change::Added(Entry::Invitation(invitation)));
    Ok(changes)
}

fn transport(text: &str) -> Result<TransportKind, String> {
    match text {
        "pull" => Ok(TransportKind::Pull),
        "amqp" => Ok(TransportKind::Amqp),
        _ => Err("expected pull or amqp".to_owned()),
    }
}

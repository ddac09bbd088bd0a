//! `saphan agreements`: what the system may send and receive, and its member's signature under it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use saphan_connector::membership::AgreementTerms;
use saphan_schemas::ids::Code;
use serde_json::json;

use super::{membership_failure, start_failure};
use crate::config::Config;
use crate::outcome::{Exit, Failure, Outcome};

#[derive(Debug, Subcommand)]
pub(crate) enum AgreementsCommand {
    /// Show the agreements that the system is a party of, and who has still to sign them
    List(ListArguments),
    /// Sign agreements for the system's member
    Sign(SignArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// The connection to the hub
    #[arg(long, value_name = "FILE", default_value = "saphan.toml", env = "SAPHAN_CONFIG")]
    config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct SignArguments {
    /// The agreements to sign; read them first with `saphan agreements list`
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<Code>,

    /// Sign all that the system's member has not signed
    #[arg(long, conflicts_with = "ids")]
    all: bool,

    /// The connection to the hub
    #[arg(long, value_name = "FILE", default_value = "saphan.toml", env = "SAPHAN_CONFIG")]
    config: PathBuf,
}

pub(crate) async fn run(command: AgreementsCommand) -> Result<Outcome, Failure> {
    match command {
        AgreementsCommand::List(arguments) => list(arguments).await,
        AgreementsCommand::Sign(arguments) => sign(arguments).await,
    }
}

async fn list(arguments: ListArguments) -> Result<Outcome, Failure> {
    let config = Config::read(&arguments.config)?;
    let membership = config.into_membership().map_err(|error| start_failure(&error))?;
    let agreements = membership.agreements().await.map_err(|error| membership_failure(&error))?;
    let mut text = String::new();
    for terms in &agreements {
        describe(terms, &mut text);
    }
    if agreements.is_empty() {
        text.push_str(
            "No agreement names this system: it can neither send nor receive. The hub's operator adds agreements.\n",
        );
    }
    let json = agreements.iter().map(|terms| {
        json!({
            "agreement": terms.agreement, "terms": terms.terms, "unsigned": terms.unsigned,
            "in_force": terms.unsigned.is_empty(), "doubt": terms.doubt,
        })
    });
    Ok(Outcome { exit: Exit::Done, text, json: json!({ "agreements": json.collect::<Vec<_>>() }) })
}

async fn sign(arguments: SignArguments) -> Result<Outcome, Failure> {
    let config = Config::read(&arguments.config)?;
    let member = config.system().member();
    let membership = config.into_membership().map_err(|error| start_failure(&error))?;
    let agreements = membership.agreements().await.map_err(|error| membership_failure(&error))?;
    let unknown = arguments.ids.iter().find(|id| agreements.iter().all(|terms| terms.agreement.id != **id));
    if let Some(id) = unknown {
        let what = format!("no agreement {id} names this system");
        return Err(Failure::caller(what, "See `saphan agreements list`."));
    }
    let mut signed = Vec::new();
    // Of all, those that can be believed; one that is named and cannot is refused.
    let wanted = |terms: &&AgreementTerms| match arguments.all {
        true => terms.doubt.is_none(),
        false => arguments.ids.contains(&terms.agreement.id),
    };
    for terms in agreements.iter().filter(wanted).filter(|terms| terms.unsigned.contains(&member)) {
        membership.sign(terms).await.map_err(|error| membership_failure(&error))?;
        signed.push(terms);
    }
    let mut text = format!("{member} signed {} agreements\n", signed.len());
    for terms in &signed {
        let others: Vec<_> = terms.unsigned.iter().filter(|other| **other != member).map(ToString::to_string).collect();
        let state = if others.is_empty() { "in force".to_owned() } else { format!("waits for {}", others.join(", ")) };
        text.push_str(&format!("  {}: {state}\n", terms.agreement.id));
    }
    let ids: Vec<_> = signed.iter().map(|terms| &terms.agreement.id).collect();
    Ok(Outcome { exit: Exit::Done, text, json: json!({ "signed": ids }) })
}

fn describe(terms: &AgreementTerms, text: &mut String) {
    let agreement = &terms.agreement;
    let state = if terms.unsigned.is_empty() {
        "in force".to_owned()
    } else {
        let unsigned: Vec<_> = terms.unsigned.iter().map(ToString::to_string).collect();
        format!("not signed by {}", unsigned.join(", "))
    };
    let list = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    text.push_str(&format!("{} ({state})\n", agreement.id));
    if let Some(doubt) = terms.doubt {
        text.push_str(&format!("  DO NOT SIGN   {doubt}; ask the hub's operator on another way\n"));
    }
    text.push_str(&format!("  from         {}\n  to           {}\n", agreement.sender, agreement.receiver));
    for (name, values) in [
        ("types", agreement.types.iter().map(ToString::to_string).collect()),
        ("services", agreement.services.iter().map(ToString::to_string).collect()),
        ("purposes", agreement.purposes.iter().map(ToString::to_string).collect()),
        ("legal basis", vec![agreement.legal_basis.to_string()]),
    ] {
        text.push_str(&format!("  {name:<12} {}\n", list(values)));
    }
    if agreement.consent {
        text.push_str("  consent      each message must name the person's consent\n");
    }
    if let Some(days) = agreement.retention_days {
        text.push_str(&format!("  retention    the hub erases bodies after {days} days\n"));
    }
    for (name, time) in [("from time", agreement.not_before), ("until time", agreement.not_after)] {
        if let Some(time) = time {
            text.push_str(&format!("  {name:<12} {time} (seconds since 1970)\n"));
        }
    }
}

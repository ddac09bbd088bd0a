//! What can be seen of the hub, from the outside in: is it there, is it the one we trust, are we who we say.

use std::error::Error as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::DATE;
use reqwest::{Client, Response, StatusCode};
use saphan_connector::hub_api::HubError;
use saphan_connector::membership::{AgreementTerms, MembershipError};
use saphan_connector::{HubAddress, trust};
use saphan_schemas::ids::MemberId;
use saphan_schemas::log::VerifierKey;
use saphan_schemas::trust::{Trust, TrustBundle};

use super::finding::Finding;
use super::{broker, key};
use crate::config::Config;
use crate::outcome::Side;

/// The steps in their order; each needs those before it.
const STEPS: [&str; 9] =
    ["connection", "clock", "readiness", "identity", "log", key::STEP, "token", "agreements", broker::STEP];

pub(super) async fn examine(config: Config) -> Vec<Finding> {
    let mut findings = Vec::with_capacity(STEPS.len());
    if let Err(failed) = look(config, &mut findings).await {
        findings.push(failed);
    }
    findings.extend(STEPS.iter().skip(findings.len()).map(|step| Finding::skipped(step)));
    findings
}

/// All steps, when there is no key to take them with.
pub(super) fn not_examined() -> impl Iterator<Item = Finding> {
    STEPS.iter().map(|step| Finding::skipped(step))
}

/// Stops at the first step behind which no other makes sense.
async fn look(config: Config, findings: &mut Vec<Finding>) -> Result<(), Finding> {
    let (hub, trust, kid, member) =
        (config.hub().to_owned(), config.trust().clone(), config.key_id(), config.system().member());
    let (receive, ca) = (config.receive(), config.ca().map(ToOwned::to_owned));
    let client = config
        .http_client()
        .map_err(|error| Finding::failed("connection", error.to_string(), Side::Machine, "check the configuration"))?;
    let alive = get(&client, &format!("{hub}/livez")).await.map_err(|error| connection_fault(&error))?;
    if alive.status() != StatusCode::OK {
        let says = format!("{hub} answers with status {}, not as a hub does", alive.status().as_u16());
        return Err(Finding::failed("connection", says, Side::Hub, "check the address, and what stands in between"));
    }
    findings.push(Finding::ok("connection", format!("{hub} answers")));
    findings.push(clock(&alive));
    findings.push(readiness(&client, &hub).await);
    let trust = identity(&client, config.address(), trust, findings).await?;
    findings.push(log(&client, &hub, &trust).await?);
    let membership = config
        .into_membership()
        .map_err(|error| Finding::failed(key::STEP, error.to_string(), Side::Machine, "check the configuration"))?;
    findings.push(key::examine(&membership, kid).await?);
    let agreements = membership.agreements().await.map_err(|error| token_fault(&error))?;
    findings.push(Finding::ok("token", "the hub believes a token of this key"));
    findings.push(agreed(&agreements, &member));
    findings.push(broker::examine(&membership, receive, ca.as_deref()).await);
    Ok(())
}

async fn get(client: &Client, url: &str) -> reqwest::Result<Response> {
    client.get(url).timeout(PATIENCE).send().await.map_err(reqwest::Error::without_url)
}

/// Where the way to the hub ends: name, port, TLS or silence.
fn connection_fault(error: &reqwest::Error) -> Finding {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    let deepest = causes.last().cloned().unwrap_or_else(|| error.to_string());
    let all = causes.join(" ").to_lowercase();
    let failed = |says: &str, side, advice: &str| {
        Finding::failed("connection", format!("{says}: {deepest}"), side, advice.to_owned())
    };
    if all.contains("certificate") || all.contains("unknownissuer") {
        let advice = "if the hub has a CA of its own, name it with `ca_file`; if not, somebody else may answer for it";
        failed("the hub's certificate is not trusted", Side::Caller, advice)
    } else if all.contains("dns") || all.contains("lookup") {
        failed("the hub's name is not found", Side::Caller, "check `hub` in the configuration, and this machine's DNS")
    } else if error.is_timeout() {
        failed("no answer in time", Side::Hub, "check that no firewall is in between, and that the hub is running")
    } else if all.contains("tls") || all.contains("handshake") || all.contains("corrupt message") {
        failed("no TLS connection", Side::Hub, "check the port; the hub may serve something else there")
    } else {
        failed("no connection", Side::Hub, "check address and port, and that the hub is running")
    }
}

/// Tokens are good for a minute: a clock that is wrong makes them worthless.
fn clock(response: &Response) -> Finding {
    let theirs = response.headers().get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let Some(theirs) = theirs.and_then(|time| time.duration_since(UNIX_EPOCH).ok()) else {
        return Finding::ok("clock", "the hub's answer has no date to compare with");
    };
    let ours = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let theirs = theirs.as_secs();
    let apart = ours.abs_diff(theirs);
    if apart <= NEARLY_THE_SAME {
        return Finding::ok("clock", "this machine's clock and the hub's agree");
    }
    let which = if ours > theirs { "ahead of" } else { "behind" };
    let says = format!("this machine's clock is {apart} s {which} the hub's");
    let advice = "let both ask a time server (NTP); the hub refuses tokens 60 s old or 10 s early";
    if apart <= TOLERATED {
        Finding::warning("clock", says, Side::Machine, advice)
    } else {
        Finding::failed("clock", says, Side::Machine, advice)
    }
}

async fn readiness(client: &Client, hub: &str) -> Finding {
    match get(client, &format!("{hub}/readyz")).await {
        Ok(answer) if answer.status() == StatusCode::OK => Finding::ok("readiness", "the hub accepts messages"),
        Ok(_) => {
            let advice = "messages wait in the outbox until it does; tell the hub's operator if it lasts";
            Finding::warning("readiness", "the hub is there, but accepts no messages now", Side::Hub, advice)
        }
        Err(error) => Finding::warning("readiness", error.to_string(), Side::Hub, "try again"),
    }
}

/// Answers with what is trusted then: the hub's operator may have added keys.
async fn identity(
    client: &Client,
    address: &HubAddress,
    trust: Trust,
    findings: &mut Vec<Finding>,
) -> Result<Trust, Finding> {
    let hub = address.url().trim_end_matches('/');
    let failed = |says: String| {
        let advice = "send nothing; ask the hub's operator on another way which keys are right, and who answers there";
        Finding::failed("identity", says, Side::Hub, advice)
    };
    let answer = get(client, &format!("{hub}/v1/trust")).await.map_err(|error| failed(error.to_string()))?;
    let bundle: TrustBundle = answer.json().await.map_err(|_| failed("it does not say which hub it is".to_owned()))?;
    if bundle.hub != trust.hub {
        return Err(failed(format!("it is the hub {}, not {}", bundle.hub, trust.hub)));
    }
    let followed = trust::renew(address, &trust).await.map_err(|error| failed(error.to_string()))?;
    let followed_any = followed.is_some();
    let trust = followed.unwrap_or(trust);
    let trusted = |vkey: &VerifierKey| *vkey == trust.log || trust.more_logs.contains(vkey);
    // Of all keys for receipts there ever were, the newest comes last.
    if !trusted(&bundle.vkey) {
        return Err(failed("its log has another key than the trusted one".to_owned()));
    }
    if !bundle.receipts.last().is_some_and(|key| trust.receipts.contains(key)) {
        return Err(failed("it signs receipts with a key that is not trusted".to_owned()));
    }
    if followed_any {
        let says =
            format!("it is {}; its operator has added or revoked keys, which the trust file does not say", bundle.hub);
        let advice = "programs that run follow by themselves; `saphan trust URL --renew` brings the file up to date for `saphan verify`";
        findings.push(Finding::warning("identity", says, Side::Caller, advice));
    } else {
        findings.push(Finding::ok("identity", format!("it is {}, with the keys that are trusted", bundle.hub)));
    }
    Ok(trust)
}

async fn log(client: &Client, hub: &str, trust: &Trust) -> Result<Finding, Finding> {
    let failed = |says: String| {
        Finding::failed("log", says, Side::Hub, "tell the hub's operator; `saphan log check` shows more")
    };
    let answer = get(client, &format!("{hub}/v1/log/checkpoint")).await.map_err(|error| failed(error.to_string()))?;
    let text = answer.text().await.map_err(|error| failed(error.without_url().to_string()))?;
    let checkpoint = trust.verify_checkpoint(&text).map_err(|error| failed(error.to_string()))?;
    Ok(Finding::ok(
        "log",
        format!("{} has {} entries, signed with the trusted key", checkpoint.origin, checkpoint.size),
    ))
}

fn token_fault(error: &MembershipError) -> Finding {
    let (side, advice) = match error {
        MembershipError::Hub(HubError::Problem { document, .. }) if !document.retry => {
            (Side::Caller, "do what it says; `token-expired` means that the clocks differ")
        }
        MembershipError::Terms(_) => (Side::Hub, "ask the hub's operator on another way"),
        _ => (Side::Hub, "try again"),
    };
    Finding::failed("token", error.to_string(), side, advice)
}

fn agreed(agreements: &[AgreementTerms], member: &MemberId) -> Finding {
    let in_force = agreements.iter().filter(|terms| terms.unsigned.is_empty()).count();
    let doubtful = agreements.iter().filter(|terms| terms.doubt.is_some()).count();
    let ours = agreements.iter().filter(|terms| terms.doubt.is_none() && terms.unsigned.contains(member)).count();
    let says = format!("{in_force} of {} agreements are in force", agreements.len());
    if doubtful > 0 {
        let says = format!("{says}; the hub's operator, as known here, signed the terms of all but {doubtful}");
        let advice = "do not sign those that `saphan agreements list` marks; ask the hub's operator on another way";
        return Finding::warning("agreements", says, Side::Hub, advice);
    }
    if ours > 0 {
        let says = format!("{says}; {member} has not signed {ours}");
        return Finding::warning(
            "agreements",
            says,
            Side::Caller,
            "`saphan agreements list`, then `saphan agreements sign`",
        );
    }
    if in_force == 0 {
        let advice = "the hub's operator adds agreements, and both members sign them";
        return Finding::warning("agreements", format!("{says}: nothing can be sent or received"), Side::Hub, advice);
    }
    Finding::ok("agreements", says)
}

const PATIENCE: Duration = Duration::from_secs(10);
/// Seconds; a date is whole seconds, and an answer takes its time.
const NEARLY_THE_SAME: u64 = 2;
const TOLERATED: u64 = 8;

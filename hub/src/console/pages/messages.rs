//! One message's way, and what there is to show that it was so.

use saphan_schemas::message_types::Language;
use saphan_schemas::problem::ProblemCode;

use super::searching::{asked, back, followed, outcome, place_of};
use super::{Frame, button, heading, terms};
use crate::audit::{Moment, Timeline};
use crate::console::times::precise;
use crate::console::{Fields, Word};
use crate::html::{Element, Html, el};

/// The page of a message of this log.
pub(crate) fn page(frame: Frame<'_>, sent: &Fields, origin: &str, timeline: &Timeline) -> String {
    let steps: Html = timeline.moments.iter().map(|moment| step(frame, moment)).collect();
    let content = Html::new()
        .with(back(frame, sent))
        .with(asked(frame, timeline.query, None))
        .with(el("ol").class("steps").with(steps))
        .with(heading(frame.say(Word::Facts)))
        .with(facts(frame, timeline))
        .with(case(frame, sent, timeline))
        .with(heading(frame.say(Word::Evidence)))
        .with(evidence(frame, origin, timeline));
    frame.page(Word::MessagesWay, content)
}

fn step(frame: Frame<'_>, Moment { step, at, entry, log }: &Moment) -> Element {
    let (word, note) = Word::step(*step);
    let when: Html = match at {
        Some(at) => precise(*at).into(),
        None => el("span").class("quiet").with(frame.say(Word::TimeNotKept)).into(),
    };
    let entry = entry.map(|entry| {
        el("span").class("tag").with(format!("{} {}", frame.say(Word::Place), place_of(entry, log.as_deref())))
    });
    let line = el("p").with(el("b").with(frame.say(word))).with(" ").with(when).with(" ").with(entry);
    el("li").with(line).with(el("p").class("quiet").with(frame.say(note)))
}

fn facts(frame: Frame<'_>, Timeline { message, .. }: &Timeline) -> Element {
    let text = |text: &Option<String>| text.as_ref().map(|text| Html::from(el("code").with(text)));
    let id = |text: Option<String>| text.map(|text| Html::from(el("code").with(text)));
    let all = [
        (Word::MessageId, id(message.id.map(|id| id.to_string()))),
        (Word::From, text(&message.from)),
        (Word::To, text(&message.to)),
        (Word::MessageType, text(&message.message_type)),
        (Word::Service, text(&message.service)),
        (Word::CaseId, id(message.case.map(|case| case.to_string()))),
        (Word::Outcome, Some(outcome(frame, message).with(meaning(frame.language, message.code.as_deref())))),
    ];
    terms(all.into_iter().filter_map(|(word, value)| Some((frame.say(word), value?))))
}

/// What a problem code means.
pub(super) fn meaning(language: Language, code: Option<&str>) -> Html {
    let known = code.and_then(|code| code.parse::<ProblemCode>().ok());
    let title = known.map(|known| match language {
        Language::Th => known.title_th(),
        Language::En => known.title_en(),
    });
    title.map(|title| el("span").class("quiet").with(title)).into()
}

fn case(frame: Frame<'_>, sent: &Fields, timeline: &Timeline) -> Html {
    let Some(case) = timeline.message.case else { return Html::new() };
    let draw = button(frame.say(Word::DrawCase)).attr("name", "show").attr("value", case.to_string());
    frame.form("case").class("actions").with(followed(sent)).with(draw.class("secondary")).into()
}

fn evidence(frame: Frame<'_>, origin: &str, timeline: &Timeline) -> Html {
    let (Some(id), Some(from)) = (timeline.message.id, &timeline.message.from) else { return Html::new() };
    let name = format!("{id} {from}");
    let open = el("input").attr("type", "hidden").attr("name", "open").attr("value", &name);
    let file = |value, word| button(frame.say(word)).class("secondary").attr("name", "file").attr("value", value);
    let files = frame.form("evidence").class("actions").with(open).with(file("message", Word::DownloadMessage));
    let files = files
        .with(timeline.acknowledgement.as_ref().map(|_| file("acknowledgement", Word::DownloadAcknowledgement)))
        .with(timeline.cosigned_proof.as_ref().map(|_| file("cosigned-proof", Word::DownloadCosigned)));
    let command = format!(
        "saphan audit message log --vkey vkey --message {id}.saphan.json --out {id}.evidence.json  # log: {origin}"
    );
    Html::new()
        .with(el("p").with(frame.say(Word::EvidenceNote)))
        .with(files)
        .with(el("pre").attr("tabindex", "0").with(el("code").with(command)))
}

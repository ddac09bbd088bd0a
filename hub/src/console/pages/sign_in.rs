//! Signing in: with a token that was signed elsewhere.

use super::{Frame, button, form};
use crate::console::Word;
use crate::console::fields::hidden;
use crate::console::words::code;
use crate::html::{Html, el};

/// The form, perhaps below what happened.
pub(crate) fn page(frame: Frame<'_>, notice: Option<Word>) -> String {
    let notice = notice.map(|word| el("p").class("notice").attr("role", "status").with(frame.say(word)));
    frame.page(Word::SignIn, Html::new().with(notice).with(content(frame)))
}

/// The form, below what is wrong with the token that was sent.
pub(crate) fn refused(frame: Frame<'_>, why: &str) -> String {
    let wrong = el("div").class("summary").attr("role", "alert");
    let wrong = wrong.with(el("h2").with(frame.say(Word::NotSignedIn))).with(el("p").with(why));
    frame.page_with(Word::SignIn, wrong.into(), content(frame))
}

fn content(frame: Frame<'_>) -> Html {
    let token = el("textarea")
        .attr("id", "token")
        .attr("name", "token")
        .attr("rows", "5")
        .attr("autocomplete", "off")
        .attr("autocapitalize", "off")
        .attr("spellcheck", "false")
        .flag("required", true)
        .attr("aria-describedby", "how");
    let field = el("p").class("field").with(el("label").attr("for", "token").with(frame.say(Word::Token))).with(token);
    let form = form("/console/session".to_owned(), None).with(hidden("language", code(frame.language)));
    Html::new()
        .with(el("p").attr("id", "how").with(frame.say(Word::SignInHow)))
        .with(el("pre").with(el("code").with("saphan audit sign-in --config saphan.toml")))
        .with(form.with(field).with(button(frame.say(Word::SignIn))))
        .with(el("p").class("quiet").with(frame.say(Word::SignInNote)))
        .with(el("p").class("quiet").with(frame.say(Word::EveryLook)))
}

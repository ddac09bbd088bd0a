//! The pages: what each shows, and what all have around them.

pub(crate) mod cases;
pub(crate) mod failure;
pub(crate) mod messages;
pub(crate) mod past;
pub(crate) mod plots;
pub(crate) mod searching;
pub(crate) mod sign_in;

use saphan_schemas::message_types::Language;

use super::fields::{CSRF, hidden};
use super::words::code;
use super::{Fields, Session, Word};
use crate::html::{Element, Html, el};

/// Who looks at what, in which language.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) language: Language,
    pub(crate) session: Option<&'a Session>,
    pub(crate) place: Place<'a>,
    /// The origin of the present log, once the hub has several.
    pub(crate) log: Option<&'a str>,
}

/// How the same page is had in the other language.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// By a link to this path.
    Page(&'static str),
    /// By asking the same again at this path. What is asked is never in a URL.
    Answer(&'static str, &'a Fields),
}

impl Frame<'_> {
    fn say(&self, word: Word) -> &'static str {
        word.of(self.language)
    }

    fn path(&self, rest: &str) -> String {
        path(self.language, rest)
    }

    /// A form of this session that is sent to this path.
    fn form(&self, rest: &str) -> Element {
        form(self.path(rest), self.session)
    }

    /// A finished page.
    fn page(&self, title: Word, content: impl Into<Html>) -> String {
        self.page_with(title, Html::new(), content)
    }

    /// A finished page, with something before its heading: what is wrong.
    fn page_with(&self, title: Word, before: Html, content: impl Into<Html>) -> String {
        let error = if before == Html::new() { "" } else { self.say(Word::ErrorPrefix) };
        let name = format!("{error}{} – {}", self.say(title), self.say(Word::Console));
        let head = Html::new()
            .with(el("meta").attr("charset", "utf-8"))
            .with(el("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1"))
            .with(el("title").with(name))
            .with(el("link").attr("rel", "stylesheet").attr("href", "/console/console.css"))
            .with(el("link").attr("rel", "icon").attr("href", "/console/icon.svg"));
        let skip = el("a").class("skip").attr("href", "#main").with(self.say(Word::SkipToContent));
        let main = el("main").attr("id", "main").attr("tabindex", "-1");
        let main = main.with(before).with(el("h1").with(self.say(title))).with(content);
        Html::document(code(self.language), &head, &Html::new().with(skip).with(self.header()).with(main))
    }

    fn header(&self) -> Element {
        let top = el("div").class("top");
        let name = el("a").class("name").attr("href", self.path("")).with(self.say(Word::Console));
        let top = top.with(name).with(self.switch());
        let header = el("header").with(top);
        let Some(session) = self.session else { return header };
        let link = |rest: &'static str, word| {
            let is_here = matches!(self.place, Place::Page(here) | Place::Answer(here, _) if here == rest);
            let link = el("a").attr("href", self.path(rest)).attr_if("aria-current", is_here.then_some("page"));
            el("li").with(link.with(self.say(word)))
        };
        let who = format!("{}: {}", self.say(Word::SignedInAs), session.auditor);
        let leave = form("/console/session/end".to_owned(), self.session).with(hidden("language", code(self.language)));
        let items = Html::new()
            .with(link("", Word::Search))
            .with(link("health", Word::HealthShort))
            .with(link("queries", Word::PastQueries))
            .with(el("li").class("who").with(who))
            .with(el("li").with(leave.with(button(self.say(Word::SignOut)))));
        header.with(el("nav").attr("aria-label", self.say(Word::MainMenu)).with(el("ul").with(items)))
    }

    /// The same page in the other language.
    fn switch(&self) -> Html {
        let (other, name) = match self.language {
            Language::Th => (Language::En, "English"),
            Language::En => (Language::Th, "ภาษาไทย"),
        };
        match self.place {
            Place::Page(rest) => {
                let link = el("a").attr("href", path(other, rest)).attr("hreflang", code(other));
                link.attr("lang", code(other)).with(name).into()
            }
            Place::Answer(rest, fields) => {
                let again = form(path(other, rest), self.session).class("switch").with(fields.all_hidden());
                again.with(button(name).attr("lang", code(other))).into()
            }
        }
    }
}

fn path(language: Language, rest: &str) -> String {
    let slash = if rest.is_empty() { "" } else { "/" };
    format!("/console/{}{slash}{rest}", code(language))
}

fn form(action: String, session: Option<&Session>) -> Element {
    let form = el("form").attr("method", "post").attr("action", action).flag("novalidate", true);
    form.with(session.map(|session| hidden(CSRF, &session.csrf)))
}

/// A button that sends its form.
fn button(text: &str) -> Element {
    el("button").attr("type", "submit").with(text)
}

/// A table in a box that scrolls by itself, so that the page does not.
fn table(label: &str, head: &[&str], rows: impl Into<Html>) -> Element {
    let head: Html = head.iter().map(|name| el("th").attr("scope", "col").with(*name)).collect();
    let table = el("table").with(el("caption").with(label));
    let table = table.with(el("thead").with(el("tr").with(head))).with(el("tbody").with(rows));
    scrolling(label, table)
}

fn scrolling(label: &str, what: impl Into<Html>) -> Element {
    el("div").class("scroll").attr("role", "region").attr("aria-label", label).attr("tabindex", "0").with(what)
}

/// What is shown when it is wanted.
fn details(label: &str, what: impl Into<Html>) -> Element {
    el("details").attr("aria-label", label).with(el("summary").with(label)).with(what)
}

/// Terms and what they mean.
fn terms(pairs: impl IntoIterator<Item = (&'static str, Html)>) -> Element {
    let pair = |(term, meaning)| el("div").with(el("dt").with(term)).with(el("dd").with(meaning));
    el("dl").with(pairs.into_iter().map(pair).collect::<Html>())
}

fn cell(content: impl Into<Html>) -> Element {
    el("td").with(content)
}

fn heading(text: &str) -> Element {
    el("h2").with(text)
}

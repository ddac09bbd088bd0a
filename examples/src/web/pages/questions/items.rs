//! The items of a question, as people see them.

use saphan_schemas::ids::Code;
use saphan_schemas::message_types::{AnswerForm, InformationRequested, Item};

use super::super::file_field::FileField;
use super::given::{COUNTER, FILE, Lack, Lacks, NONE};
use crate::web::files::Held;
use crate::web::form::Input;
use crate::web::html::{Element, Html, el};
use crate::web::language::Speaks as _;
use crate::web::visit::Visit;

/// What is filled in so far, and what is wrong with it.
pub(super) struct Filled<'a> {
    pub(super) input: &'a Input,
    pub(super) lacks: &'a Lacks,
    pub(super) held: &'a Held,
}

/// What one item needs to be shown.
struct Parts<'a> {
    visit: &'a Visit,
    item: &'a Item,
    id: String,
    error: Option<String>,
}

impl Filled<'_> {
    /// What must be mended, with links; nothing when all is right.
    pub(super) fn summary(&self, visit: &Visit, asked: &InformationRequested) -> Html {
        if self.lacks.is_empty() {
            return Html::new();
        }
        let links = asked.items.iter().filter_map(|item| {
            let lack = self.lacks.get(&item.item)?;
            let (to, text) = match lack {
                Lack::Answer => (id_of(item), visit.language.text(&item.question).to_owned()),
                Lack::File(fault) => {
                    let question = visit.language.text(&item.question);
                    (file_id_of(item), format!("{question}: {}", fault.text(visit.language)))
                }
            };
            Some(el("li").with(el("a").attr("href", format!("#{to}")).with(text)))
        });
        let heading = el("h2").with(visit.say("โปรดตอบคำถามต่อไปนี้", "Please answer these questions"));
        let links = el("ul").with(links.collect::<Html>());
        el("div").class("summary").attr("role", "alert").with(heading).with(links).into()
    }

    /// An item with its inputs.
    pub(super) fn item(&self, visit: &Visit, item: &Item) -> Element {
        let id = id_of(item);
        let is_unanswered = self.lacks.get(&item.item) == Some(&Lack::Answer);
        let parts = Parts { visit, item, error: is_unanswered.then(|| format!("{id}-error")), id };
        let given = self.input.one(&answer_input(&item.item));
        match item.answer {
            AnswerForm::Text => parts.boxed(parts.line("text", given).attr("maxlength", LONGEST.to_string())),
            AnswerForm::Number => parts.boxed(parts.line("text", given).attr("inputmode", "numeric")),
            AnswerForm::Date => parts.boxed(parts.line("date", given)),
            AnswerForm::Choice => parts.boxed(parts.select(given)),
            AnswerForm::YesNo => {
                let name = answer_input(&item.item);
                let options = [("yes", visit.say("ใช่", "Yes")), ("no", visit.say("ไม่ใช่", "No"))];
                let options = options.map(|(value, text)| parts.option(&name, value, text, given == Some(value)));
                parts.fieldset(options.map(|option| el("div").class("option").with(option)))
            }
            AnswerForm::Document => self.document(&parts),
        }
    }

    /// A document: as a file, at a counter, or not at all. Where a browser hides nothing, a file that is chosen is enough.
    fn document(&self, parts: &Parts<'_>) -> Element {
        let Parts { visit, item, .. } = parts;
        let fault = self.lacks.get(&item.item).and_then(|lack| match lack {
            Lack::File(fault) => Some(*fault),
            Lack::Answer => None,
        });
        let held = self.held.get(&item.item).map(|file| &**file);
        let (choice, file) = (choice_input(&item.item), file_input(&item.item));
        let is_file = (fault.is_some() || held.is_some()).then_some(FILE);
        let chosen = self.input.one(&choice).or(is_file);
        let option = |value: &'static str, text| parts.option(&choice, value, text, chosen == Some(value));
        let field =
            FileField { id: &file_id_of(item), name: &file, label: visit.say("ไฟล์", "The file"), fault, held };
        let details = el("div").class("details").with(field.show(visit));
        let send = option(FILE, visit.say("ฉันจะส่งไฟล์ที่นี่", "I send it here as a file")).with(details);
        let counter = option(COUNTER, visit.say("ฉันจะยื่นเอกสารที่สำนักงาน", "I will hand it in at the office"));
        let none = option(NONE, visit.say("ฉันไม่มีเอกสารนี้", "I do not have it"));
        parts.fieldset([send, counter, none].map(|option| el("div").class("alternative").with(option)))
    }
}

impl Parts<'_> {
    fn question(&self) -> &str {
        self.visit.language.text(&self.item.question)
    }

    fn error(&self) -> Option<Element> {
        let text = self.visit.say("โปรดตอบ", "Please answer this.");
        self.error.as_ref().map(|id| el("p").class("error").attr("id", id).with(text))
    }

    /// Says that an input is wrong, and where that is said.
    fn marked(&self, input: Element) -> Element {
        let input = input.attr_if("aria-describedby", self.error.as_ref());
        input.attr_if("aria-invalid", self.error.as_ref().map(|_| "true"))
    }

    fn line(&self, kind: &'static str, given: Option<&str>) -> Element {
        let input = el("input").attr("type", kind).attr("id", &self.id).attr("name", answer_input(&self.item.item));
        self.marked(input.attr_if("value", given))
    }

    fn select(&self, given: Option<&str>) -> Element {
        let none = el("option").attr("value", "").with(self.visit.say("โปรดเลือก", "Please choose"));
        let options = self.item.choices.iter().map(|choice| {
            let option = el("option").attr("value", choice.code.as_str());
            option.flag("selected", given == Some(choice.code.as_str())).with(self.visit.language.text(&choice.label))
        });
        let select = self.marked(el("select").attr("id", &self.id).attr("name", answer_input(&self.item.item)));
        select.with(none).with(options.collect::<Html>())
    }

    fn boxed(&self, input: Element) -> Element {
        let label = el("label").attr("for", &self.id).with(self.question());
        el("div").class("field").with(label).with(self.error()).with(input)
    }

    /// A radio button with its label.
    fn option(&self, name: &str, value: &'static str, text: &str, is_chosen: bool) -> Html {
        let id = format!("{}-{value}", self.id);
        let input = el("input").attr("type", "radio").attr("id", &id).attr("name", name).attr("value", value);
        Html::from(input.flag("checked", is_chosen)).with(el("label").attr("for", id).with(text))
    }

    fn fieldset(&self, options: impl IntoIterator<Item = Element>) -> Element {
        let set = el("fieldset").class("options").attr("id", &self.id).attr("tabindex", "-1");
        let set = set.attr_if("aria-describedby", self.error.as_ref()).with(el("legend").with(self.question()));
        set.with(self.error()).with(options.into_iter().collect::<Html>())
    }
}

fn id_of(item: &Item) -> String {
    format!("answer-{}", item.item)
}

fn file_id_of(item: &Item) -> String {
    format!("answer-{}-chosen", item.item)
}

/// The input of an answer that is written or chosen.
pub(super) fn answer_input(item: &Code) -> String {
    format!("answer/{item}")
}

/// The input that says how a document comes.
pub(super) fn choice_input(item: &Code) -> String {
    format!("document/{item}")
}

/// The input of a file.
pub(super) fn file_input(item: &Code) -> String {
    format!("file/{item}")
}

/// As `information.supplied` takes it.
pub(super) const LONGEST: usize = 4000;

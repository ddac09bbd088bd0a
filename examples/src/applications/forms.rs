//! The filled-in forms, and what each applicant would answer to a question.

use saphan_schemas::ids::InvalidId;
use saphan_schemas::message_types::{
    Address, Answer, Capacity, Citizen, FactValue, JuristicPerson, NaturalPerson, Representative,
};
use serde_json::{Value, json};

use super::Story;

type Filled = Result<(Value, Vec<Answer>), InvalidId>;

pub(super) fn child_grant(parent: &Citizen, child: &Citizen, residents: u64, story: Story) -> Filled {
    let newcomer = u64::from(matches!(story, Story::Asked | Story::Withdrawn));
    let income_satang = if story == Story::Rejected { 90_000_000 } else { 8_400_000 };
    let form = json!({
        "child": { "national_id": child.national_id, "name": child.name, "birth_date": child.birth_date },
        "relationship": "GUARDIAN",
        "household": { "members": residents + newcomer, "annual_income_satang": income_satang },
        "receive_by": { "kind": "PromptPay", "national_id": parent.national_id },
    });
    Ok((form, vec![answer("members", FactValue::Number((residents + newcomer).into()))?]))
}

pub(super) fn certificate(company: &JuristicPerson, story: Story) -> Filled {
    let in_english = matches!(story, Story::Asked | Story::Withdrawn);
    let form = json!({
        "number": company.number,
        "items": ["EXISTENCE", "DIRECTORS", "SIGNING_AUTHORITY"],
        "language": if in_english { "en" } else { "th" },
        "copies": 1,
        "delivery": "DIGITAL",
    });
    Ok((form, vec![answer("name-in-english", FactValue::Text("Example Trading Co., Ltd.".to_owned()))?]))
}

pub(crate) fn director(person: Citizen) -> Representative {
    Representative { person: NaturalPerson::Citizen(person), capacity: Capacity::Director }
}

pub(super) fn new_name(citizen: &Citizen, new_first: &str, story: Story) -> Filled {
    let must_explain = matches!(story, Story::Asked | Story::Withdrawn);
    let form = json!({
        "new_first": new_first,
        "reason": if must_explain { "OTHER" } else { "PREFERENCE" },
        "district": citizen.registered_address.as_ref().map(|address| &address.district),
    });
    Ok((form, vec![answer("reason", FactValue::Text("ชื่อเดิมเขียนยากและถูกเขียนผิดบ่อย".to_owned()))?]))
}

pub(super) fn driving_licence(deliver_to: &Address, number: usize, story: Story) -> Filled {
    let form = json!({
        "licence_number": format!("{:08}", 60_000_000 + number % 10_000_000),
        "licence_type": "PRIVATE_CAR",
        "expires_on": "2027-01-20",
        "fit_to_drive": story != Story::Rejected,
        "delivery": "POST",
        "deliver_to": deliver_to,
    });
    Ok((form, vec![answer("stay-permit", FactValue::Text("ZZ-2569-000001".to_owned()))?]))
}

fn answer(item: &str, value: FactValue) -> Result<Answer, InvalidId> {
    Ok(Answer::Value { item: item.parse()?, value })
}

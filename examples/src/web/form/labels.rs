//! What people call the members, choices and hints of the catalogue's forms. Schemas name them for programs, in English.

use std::borrow::Cow;

use saphan_schemas::message_types::Language;

/// The label of a member.
pub(in super::super) fn of_member(name: &str, language: Language) -> Cow<'_, str> {
    label(MEMBERS, name, language)
}

/// The label of a choice or an alternative.
pub(in super::super) fn of_choice(name: &str, language: Language) -> Cow<'_, str> {
    label(CHOICES, name, language)
}

/// Where a member stands among those that need not be filled in: as in the table.
pub(super) fn position(name: &str) -> usize {
    MEMBERS.iter().position(|(known, ..)| *known == name).unwrap_or(usize::MAX)
}

/// What a schema says about a member, in a language that it may not be written in; and whether it is in that language.
pub(super) fn hint(description: &str, language: Language) -> (&str, bool) {
    let thai = HINTS.iter().find(|(english, _)| *english == description);
    match (language, thai) {
        (Language::Th, Some((_, thai))) => (thai, true),
        (Language::Th, None) => (description, false),
        (Language::En, _) => (description, true),
    }
}

fn label<'a>(table: &[(&'a str, &'a str, &'a str)], name: &'a str, language: Language) -> Cow<'a, str> {
    let known = table.iter().find(|(known, ..)| *known == name);
    match (language, known) {
        (Language::Th, Some((_, thai, _))) => Cow::Borrowed(thai),
        (Language::En, Some((_, _, english))) if !english.is_empty() => Cow::Borrowed(english),
        _ => Cow::Owned(in_words(name)),
    }
}

/// `FOOD_SHOP` is “Food shop”.
fn in_words(name: &str) -> String {
    let lower = name.trim_end_matches("_satang").replace(['_', '-'], " ").to_lowercase();
    let mut letters = lower.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Name, Thai, and English where the name itself does not do. The order is that in which optional members are asked for.
const MEMBERS: &[(&str, &str, &str)] = &[
    ("title", "คำนำหน้าชื่อ", "Title"),
    ("first", "ชื่อตัว", "First name"),
    ("middle", "ชื่อรอง", "Middle name"),
    ("last", "ชื่อสกุล", "Family name"),
    ("name", "ชื่อ", ""),
    ("latin_name", "ชื่อเป็นอักษรโรมัน", "Name in Latin letters"),
    ("thai_name", "ชื่อภาษาไทย", "Name in Thai letters"),
    ("national_id", "เลขประจำตัวประชาชน", "National ID number"),
    ("person_number", "เลขประจำตัว 13 หลัก", "13-digit person number"),
    ("passport_number", "เลขที่หนังสือเดินทาง", ""),
    ("nationality", "สัญชาติ (รหัสประเทศ)", "Nationality (country code)"),
    ("passport_expires_on", "วันหมดอายุหนังสือเดินทาง", "Passport expires on"),
    ("sex", "เพศ", ""),
    ("birth_date", "วันเกิด", "Date of birth"),
    ("house_number", "บ้านเลขที่", ""),
    ("village_number", "หมู่ที่", "Village number (Moo)"),
    ("building", "หมู่บ้านหรืออาคาร", "Village or building"),
    ("lane", "ตรอก/ซอย", "Lane (Soi)"),
    ("road", "ถนน", ""),
    ("sub_district", "ตำบล/แขวง", "Sub-district"),
    ("district", "อำเภอ/เขต", ""),
    ("province", "จังหวัด", ""),
    ("postcode", "รหัสไปรษณีย์", ""),
    ("area_code", "รหัสพื้นที่ 6 หลัก", "Area code"),
    ("address", "ที่อยู่", ""),
    ("registered_address", "ที่อยู่ตามทะเบียนบ้าน", ""),
    ("current_address", "ที่อยู่ปัจจุบัน", ""),
    ("deliver_to", "จัดส่งไปที่", "Deliver to"),
    ("bank_code", "รหัสธนาคาร", ""),
    ("account_number", "เลขที่บัญชี", ""),
    ("holder", "ชื่อบัญชี", "Account holder"),
    ("address_of_site", "ที่อยู่เว็บไซต์", "Web address"),
    ("agreement", "ข้อตกลงเรื่องทรัพย์สิน", "Agreement about property"),
    ("alternatives", "ชื่อสำรอง", "Other names"),
    ("annual_income_satang", "รายได้ต่อปี (บาท)", "Annual income (baht)"),
    ("applicant_is", "ผู้ยื่นคำขอคือ", "The applicant is"),
    ("appointment_on", "วันนัดหมาย", "Day of the appointment"),
    ("began_on", "วันที่เริ่ม", "Began on"),
    ("birth_certificate_of_hospital", "เลขที่หนังสือรับรองการเกิด", "Number of the hospital's certificate"),
    ("born_at", "เวลาเกิด", "Time of birth"),
    ("born_on", "วันเกิด", "Date of birth"),
    ("built_on", "วันที่สร้างเสร็จ", "Completed on"),
    ("business_kind", "ประเภทธุรกิจ", "Kind of business"),
    ("business_name", "ชื่อธุรกิจ", ""),
    ("capital_satang", "เงินทุน (บาท)", "Capital (baht)"),
    ("carer", "ผู้ดูแล", ""),
    ("category", "ประเภท", ""),
    ("child", "บุตร", ""),
    ("children", "บุตร", ""),
    ("claimed_satang", "จำนวนเงินที่ขอคืน (บาท)", "Amount claimed (baht)"),
    ("consent_of_house_master", "เจ้าบ้านยินยอม", "The head of the house agrees"),
    ("copies", "จำนวนฉบับ", "Copies"),
    ("delivery", "วิธีรับ", "How to receive it"),
    ("description", "รายละเอียด", ""),
    ("designer_licence_number", "เลขที่ใบอนุญาตผู้ออกแบบ", "Designer's licence number"),
    ("destination", "ปลายทาง", ""),
    ("disabilities", "ประเภทความพิการ", ""),
    ("drawings", "แบบแปลน", ""),
    ("employer", "นายจ้าง", ""),
    ("en", "ภาษาอังกฤษ", "In English"),
    ("expires_on", "วันหมดอายุ", "Expires on"),
    ("factory_name", "ชื่อโรงงาน", ""),
    ("father", "บิดา", ""),
    ("financial_assets_satang", "ทรัพย์สินทางการเงิน (บาท)", "Financial assets (baht)"),
    ("fit_to_drive", "ไม่มีโรคที่เป็นอันตรายต่อการขับรถ", "Fit to drive"),
    ("floor_area_square_metres", "พื้นที่ (ตารางเมตร)", "Floor area (square metres)"),
    ("food_handlers", "จำนวนผู้สัมผัสอาหาร", "Number of people who handle food"),
    ("former_passport", "หนังสือเดินทางเล่มเดิม", ""),
    ("from_house_code", "ย้ายออกจากบ้านรหัส", "House code of the old house"),
    ("height_centimetres", "ส่วนสูง (เซนติเมตร)", "Height (centimetres)"),
    ("horsepower", "กำลังเครื่องจักร (แรงม้า)", ""),
    ("hospital", "โรงพยาบาล", ""),
    ("house_code", "รหัสประจำบ้าน", ""),
    ("household", "ครัวเรือน", ""),
    ("income_satang", "รายได้ (บาท)", "Income (baht)"),
    ("inspected_on", "วันที่ตรวจสภาพรถ", "Inspected on"),
    ("items", "รายการ", ""),
    ("kind", "ประเภท", ""),
    ("land_title_number", "เลขที่โฉนดที่ดิน", ""),
    ("language", "ภาษา", ""),
    ("last_employer", "นายจ้างคนสุดท้าย", ""),
    ("last_monthly_wage_satang", "ค่าจ้างต่อเดือนครั้งสุดท้าย (บาท)", "Last monthly wage (baht)"),
    ("left_on", "วันที่ออกจากงาน", "Left on"),
    ("licence_number", "เลขที่ใบอนุญาต", ""),
    ("licence_type", "ชนิดใบอนุญาต", "Type of licence"),
    ("lost_on", "วันที่สูญหาย", "Lost on"),
    ("members", "จำนวนสมาชิก", "Number of members"),
    ("monthly_wage_satang", "ค่าจ้างต่อเดือน (บาท)", "Monthly wage (baht)"),
    ("mother", "มารดา", ""),
    ("moved_on", "วันที่ย้าย", "Moved on"),
    ("new_first", "ชื่อตัวใหม่", "New first name"),
    ("new_middle", "ชื่อรองใหม่", "New middle name"),
    ("number", "เลขทะเบียน", ""),
    ("occupation", "อาชีพ", ""),
    ("online_shop", "ร้านค้าออนไลน์", ""),
    ("operator", "ผู้ดำเนินการ", ""),
    ("payer", "ผู้จ่ายเงิน", ""),
    ("permit_number", "เลขที่ใบอนุญาต", ""),
    ("person", "บุคคล", ""),
    ("persons", "ผู้ย้ายที่อยู่", "People"),
    ("place_of_birth", "สถานที่เกิด", ""),
    ("plate", "ป้ายทะเบียน", "Number plate"),
    ("premises_name", "ชื่อสถานที่", "Name of the premises"),
    ("products", "ผลิตภัณฑ์", ""),
    ("property", "ทรัพย์สิน", ""),
    ("purpose", "วัตถุประสงค์", ""),
    ("reason", "เหตุผล", ""),
    ("receive_by", "ช่องทางรับเงิน", "Receive the money by"),
    ("receives_state_pension", "ได้รับบำนาญหรือเงินประจำจากรัฐ", "Receives a state pension"),
    ("record", "รายการทะเบียน", ""),
    ("relationship", "ความสัมพันธ์", ""),
    ("request", "คำขอ", ""),
    ("seats", "จำนวนที่นั่ง", ""),
    ("site", "ที่ตั้ง", ""),
    ("spouse", "คู่สมรส", ""),
    ("stay_permitted_until", "ได้รับอนุญาตให้อยู่ถึงวันที่", ""),
    ("storeys", "จำนวนชั้น", ""),
    ("supervisor_licence_number", "เลขที่ใบอนุญาตผู้ควบคุมงาน", "Supervisor's licence number"),
    ("surname", "ชื่อสกุล", ""),
    ("tax_year", "ปีภาษี (ค.ศ.)", "Tax year"),
    ("th", "ภาษาไทย", "In Thai"),
    ("to_house_code", "ย้ายเข้าบ้านรหัส", "House code of the new house"),
    ("training_completed_on", "วันที่ผ่านการอบรม", ""),
    ("use", "การใช้", ""),
    ("validity", "อายุหนังสือ", ""),
    ("weight_grams", "น้ำหนัก (กรัม)", "Weight (grams)"),
    ("withheld", "ภาษีที่ถูกหัก", "Tax withheld"),
    ("withheld_satang", "ภาษีที่ถูกหัก (บาท)", "Tax withheld (baht)"),
    ("witnesses", "พยาน", ""),
    ("work", "งาน", ""),
    ("work_until", "ทำงานถึงวันที่", ""),
    ("workers", "จำนวนคนงาน", ""),
    ("workplace", "สถานที่ทำงาน", ""),
];

const CHOICES: &[(&str, &str, &str)] = &[
    ("Citizen", "บุคคลสัญชาติไทย", "Thai citizen"),
    ("Foreigner", "คนต่างด้าว", ""),
    ("Juristic", "นิติบุคคล", "Juristic person"),
    ("PromptPay", "พร้อมเพย์", "PromptPay"),
    ("BankAccount", "บัญชีธนาคาร", "Bank account"),
    ("ADDRESS_CHANGED", "เปลี่ยนที่อยู่", ""),
    ("ADOPTION", "การรับบุตรบุญธรรม", ""),
    ("ALTER", "ดัดแปลง", ""),
    ("APARTMENT_BUILDING", "อาคารชุด", ""),
    ("AUTISM", "ออทิสติก", ""),
    ("BIRTH", "การเกิด", ""),
    ("CANTEEN", "โรงอาหาร", ""),
    ("CAPITAL", "ทุนจดทะเบียน", ""),
    ("CHILD", "บุตร", ""),
    ("COMMERCIAL", "พาณิชยกรรม", ""),
    ("CONSTRUCT", "ก่อสร้าง", ""),
    ("CONTRACT_ENDED", "สิ้นสุดสัญญา", ""),
    ("DAMAGED", "ชำรุด", ""),
    ("DEATH", "การตาย", ""),
    ("DEMOLISH", "รื้อถอน", ""),
    ("DETACHED", "บ้านเดี่ยว", ""),
    ("DIGITAL", "ดิจิทัล", ""),
    ("DIRECTORS", "กรรมการ", ""),
    ("DISMISSED", "ถูกเลิกจ้าง", ""),
    ("DWELLING", "ที่อยู่อาศัย", ""),
    ("EXISTENCE", "การมีอยู่", ""),
    ("FAMILY", "ครอบครัว", ""),
    ("FATHER", "บิดา", ""),
    ("FEMALE", "หญิง", ""),
    ("FIVE_YEARS", "5 ปี", ""),
    ("FOOD_SHOP", "ร้านจำหน่ายอาหาร", ""),
    ("FORCE_MAJEURE", "เหตุสุดวิสัย", ""),
    ("GENERAL_FOOD", "อาหารทั่วไป", ""),
    ("GUARDIAN", "ผู้ปกครอง", ""),
    ("HEAD_OFFICE", "สำนักงานใหญ่", ""),
    ("HEARING_OR_COMMUNICATION", "การได้ยินหรือสื่อความหมาย", ""),
    ("HOTEL_KITCHEN", "ครัวโรงแรม", ""),
    ("HOUSE", "บ้าน", ""),
    ("INDUSTRIAL", "อุตสาหกรรม", ""),
    ("INTELLECTUAL", "สติปัญญา", ""),
    ("KEEP_BOTH", "ต่างคนต่างใช้ชื่อสกุลเดิม", "Each keeps their own"),
    ("LABELLED_FOOD", "อาหารที่ต้องมีฉลาก", ""),
    ("LEARNING", "การเรียนรู้", ""),
    ("LOST", "สูญหาย", ""),
    ("MALE", "ชาย", ""),
    ("MENTAL_OR_BEHAVIOURAL", "จิตใจหรือพฤติกรรม", ""),
    ("MIXED", "ผสม", ""),
    ("MOTHER", "มารดา", ""),
    ("MOVE", "การย้ายที่อยู่", ""),
    ("MOVEMENT_OR_BODY", "การเคลื่อนไหวหรือร่างกาย", ""),
    ("NAME_CHANGED", "เปลี่ยนชื่อ", ""),
    ("NEW", "ใหม่", ""),
    ("NONE", "ไม่มี", ""),
    ("OBJECTIVES", "วัตถุประสงค์", ""),
    ("OFFICE", "รับที่สำนักงาน", "At the office"),
    ("OF_APPLICANT", "ใช้ชื่อสกุลผู้ยื่นคำขอ", "The applicant's"),
    ("OF_SPOUSE", "ใช้ชื่อสกุลคู่สมรส", "The spouse's"),
    ("OTHER", "อื่น ๆ", ""),
    ("PARENT", "บิดามารดา", ""),
    ("PERSON", "บุคคล", ""),
    ("POST", "ทางไปรษณีย์", "By post"),
    ("PREFERENCE", "ความประสงค์ส่วนตัว", ""),
    ("PRIVATE_CAR", "รถยนต์ส่วนบุคคล", ""),
    ("PRIVATE_MOTORCYCLE", "รถจักรยานยนต์ส่วนบุคคล", ""),
    ("PRIVATE_THREE_WHEELER", "รถสามล้อส่วนบุคคล", ""),
    ("PUBLIC", "สาธารณะ", ""),
    ("PUBLIC_CAR", "รถยนต์สาธารณะ", ""),
    ("PUBLIC_MOTORCYCLE", "รถจักรยานยนต์สาธารณะ", ""),
    ("QUALITY_STANDARD_FOOD", "อาหารกำหนดคุณภาพ", ""),
    ("RELATIVE", "ญาติ", ""),
    ("RENEWAL", "ต่ออายุ", ""),
    ("REPLACEMENT", "ออกแทน", ""),
    ("RESIDENCE_ABROAD", "อยู่อาศัยต่างประเทศ", ""),
    ("RESIGNED", "ลาออก", ""),
    ("RESTAURANT", "ร้านอาหาร", ""),
    ("ROW", "ตึกแถว", "Row house"),
    ("SAME_NAME", "ชื่อซ้ำ", ""),
    ("SEEING", "การเห็น", ""),
    ("SHARED", "ร่วมกัน", ""),
    ("SIBLING", "พี่น้อง", ""),
    ("SIGNING_AUTHORITY", "อำนาจลงนาม", ""),
    ("SPECIFIC_FOOD", "อาหารควบคุมเฉพาะ", ""),
    ("SPELLING", "การสะกด", ""),
    ("SPOUSE", "คู่สมรส", ""),
    ("STUDY_ABROAD", "ศึกษาต่างประเทศ", ""),
    ("TEN_YEARS", "10 ปี", ""),
    ("WITH_APPLICANT", "อยู่กับผู้ยื่นคำขอ", ""),
    ("WITH_SPOUSE", "อยู่กับคู่สมรส", ""),
    ("WORK_ABROAD", "ทำงานต่างประเทศ", ""),
    ("th", "ภาษาไทย", "Thai"),
    ("en", "ภาษาอังกฤษ", "English"),
];

const HINTS: &[(&str, &str)] = &[
    ("An address in Thailand.", "ที่อยู่ในประเทศไทย"),
    ("House number (บ้านเลขที่).", "บ้านเลขที่"),
    ("Sub-district (ตำบล or แขวง) without that word.", "ไม่ต้องพิมพ์คำว่า ตำบล หรือ แขวง"),
    ("District (อำเภอ or เขต) without that word.", "ไม่ต้องพิมพ์คำว่า อำเภอ หรือ เขต"),
    ("Province (จังหวัด) without that word.", "ไม่ต้องพิมพ์คำว่า จังหวัด"),
    ("Postcode, 5 digits.", "ตัวเลข 5 หลัก"),
    ("Village number (หมู่).", "ตัวเลข"),
    ("Village or building.", "ชื่อหมู่บ้านหรืออาคาร"),
    ("Lane (ตรอก or ซอย).", "ชื่อตรอกหรือซอย"),
    ("Road (ถนน).", "ชื่อถนน"),
    ("Code of the sub-district in the civil registry, 6 digits.", "รหัสตำบลในทะเบียนราษฎร 6 หลัก ถ้าทราบ"),
    ("Licence of the architect or engineer who designed it.", "ใบอนุญาตของสถาปนิกหรือวิศวกรผู้ออกแบบ"),
    ("Licence of the architect or engineer who supervises the work.", "ใบอนุญาตของสถาปนิกหรือวิศวกรผู้ควบคุมงาน"),
    ("What is traded or done.", "ขายหรือทำอะไร"),
    ("Head office.", "สำนักงานใหญ่"),
    ("First day of business.", "วันแรกที่ประกอบกิจการ"),
    ("Its address, when it sells online.", "เมื่อขายออนไลน์"),
    ("Where money is to be paid.", "ช่องทางที่จะรับเงิน"),
    ("Thai national ID number: 13 digits, the last a check digit.", "ตัวเลข 13 หลัก"),
    ("The national ID number that the receiving account is bound to.", "เลขประจำตัวประชาชนที่ผูกกับบัญชีรับเงิน"),
    ("Bank of Thailand's code of the bank.", "รหัสธนาคาร 3 หลักของธนาคารแห่งประเทศไทย"),
    ("A Thai citizen, as far as a form needs to name one.", "บุคคลสัญชาติไทย"),
    ("A person's name in Thai letters.", "พิมพ์ด้วยอักษรไทย"),
    ("Title, e.g. นาย.", "เช่น นาย นาง นางสาว"),
    ("Who receives it for the applicant.", "ผู้รับเงินแทนผู้ยื่นคำขอ"),
    (
        "Whether the applicant already gets a pension or other regular income from the state.",
        "ผู้ยื่นคำขอได้รับบำนาญหรือเงินประจำจากรัฐอยู่แล้วหรือไม่",
    ),
    ("Premises of 200 square metres or less give notice instead.", "พื้นที่ไม่เกิน 200 ตารางเมตร ให้ใช้วิธีแจ้งแทน"),
    ("Number of a juristic person: 13 digits, beginning with 0.", "เลขทะเบียนนิติบุคคล 13 หลัก ขึ้นต้นด้วย 0"),
    ("How many.", "จำนวน"),
    ("How the applicant wants to get it.", "ต้องการรับด้วยวิธีใด"),
    ("Income of the whole household in the last year.", "รายได้รวมของทั้งครัวเรือนในปีที่ผ่านมา"),
    (
        "The applicant declares to have no illness that makes driving dangerous.",
        "ผู้ยื่นคำขอรับรองว่าไม่มีโรคที่ทำให้การขับรถเป็นอันตราย",
    ),
    ("Day on which the training was passed.", "วันที่ผ่านการอบรม"),
    ("Letters and digits of the plate, without blanks.", "ตัวอักษรและตัวเลขโดยไม่เว้นวรรค"),
    ("Province of the plate.", "จังหวัดบนป้ายทะเบียน"),
    ("Day of the inspection, for older vehicles.", "สำหรับรถที่ต้องตรวจสภาพ"),
    ("What the work consists of.", "ลักษณะงาน"),
    ("As in the civil registry.", "ตามทะเบียนราษฎร"),
    ("Time of day in Thailand, HH:MM.", "เวลาในประเทศไทย เช่น 09:30"),
    ("A Thai citizen.", "บุคคลสัญชาติไทย"),
    ("A human being.", "บุคคลธรรมดา"),
    ("A person's name in Latin letters, as in the passport.", "อักษรโรมันตามหนังสือเดินทาง"),
    ("Given name; the only name of a person who has one.", "ชื่อ หรือชื่อเดียวของผู้ที่มีชื่อเดียว"),
    (
        "What a register knows of a date: YYYY, YYYY-MM or YYYY-MM-DD. Never fill in an unknown month or day. The year is Gregorian (Buddhist era less 543), from 1800 to 2299.",
        "ปี ค.ศ. เช่น 1990 หรือ 1990-05 หรือ 1990-05-17 ถ้าไม่ทราบเดือนหรือวันให้เว้นไว้",
    ),
    ("Address in the house register.", "ที่อยู่ตามทะเบียนบ้าน"),
    ("Where the person lives, when that is elsewhere.", "เมื่ออยู่ที่อื่นซึ่งไม่ใช่ที่อยู่ตามทะเบียนบ้าน"),
    ("A person without Thai nationality.", "ผู้ไม่มีสัญชาติไทย"),
    ("Country: ISO 3166-1 alpha-2.", "รหัสประเทศ 2 ตัวอักษร เช่น TH"),
    (
        "Any 13-digit number of the civil registry, also of persons without Thai nationality; the last is a check digit.",
        "เลข 13 หลักในทะเบียนราษฎร",
    ),
    ("House code of the house registration book (รหัสประจำบ้าน): 11 digits.", "เลข 11 หลักในทะเบียนบ้าน"),
    ("House that the child is to be registered in.", "บ้านที่จะแจ้งชื่อเด็กเข้า: เลข 11 หลักในทะเบียนบ้าน"),
    ("Number of the hospital's certificate of birth.", "เลขที่หนังสือรับรองการเกิดของโรงพยาบาล"),
    ("The other spouse; the first is the applicant.", "คู่สมรสอีกฝ่าย ผู้ยื่นคำขอคือฝ่ายแรก"),
    ("District office of the registration.", "สำนักทะเบียนที่จดทะเบียน"),
    ("Who has parental power.", "ผู้มีอำนาจปกครองบุตร"),
    ("Whether the spouses have agreed about their property.", "คู่สมรสตกลงเรื่องทรัพย์สินกันแล้วหรือไม่"),
    ("Where the house stands; it has no number yet.", "ที่ตั้งของบ้านซึ่งยังไม่มีเลขที่"),
    ("Day on which it was completed.", "วันที่สร้างเสร็จ"),
    ("Number of the building permit.", "เลขที่ใบอนุญาตก่อสร้าง"),
    ("Everybody who moves.", "ทุกคนที่ย้าย"),
    ("The head of the new house agrees.", "เจ้าบ้านของบ้านที่ย้ายเข้ายินยอม"),
    ("District office that will issue the certificate.", "สำนักทะเบียนที่จะออกหนังสือสำคัญ"),
    ("Other first names, when the wanted one cannot be registered.", "ชื่ออื่นที่ต้องการ หากชื่อแรกจดทะเบียนไม่ได้"),
    ("District office where the card will be fetched.", "สำนักทะเบียนที่จะไปรับบัตร"),
    ("Power of the machines.", "กำลังรวมของเครื่องจักร"),
    ("Who answers for the factory.", "ผู้รับผิดชอบโรงงาน"),
    ("Day on which face and fingerprints are taken.", "วันที่ถ่ายรูปและเก็บลายนิ้วมือ"),
    ("Tax year, Gregorian.", "ปีภาษี ค.ศ."),
    ("At most three at a time.", "ไม่เกินสามคนในคราวเดียว"),
];

#[cfg(test)]
mod tests {
    use saphan_schemas::catalogue::Catalogue;

    use super::super::{Field, Form, Kind};
    use super::*;

    /// Everything that a form shows has words in Thai.
    fn check(field: &Field, lost: &mut Vec<String>) {
        let mut need = |table: &[(&str, &str, &str)], name: &str| {
            if !table.iter().any(|(known, ..)| *known == name) {
                lost.push(name.to_owned());
            }
        };
        if field.name != "item" {
            need(MEMBERS, &field.name);
        }
        match &field.kind {
            Kind::Choice(choices) | Kind::Choices(choices) => choices.iter().for_each(|name| need(CHOICES, name)),
            Kind::Alternatives(alternatives) => alternatives.iter().for_each(|one| need(CHOICES, &one.tag)),
            _ => {}
        }
        if let Some(description) = &field.description
            && !matches!(field.kind, Kind::Date)
            && !hint(description, Language::Th).1
        {
            lost.push(description.clone());
        }
        match &field.kind {
            Kind::Group(fields) => fields.iter().for_each(|field| check(field, lost)),
            Kind::Alternatives(alternatives) => {
                alternatives.iter().flat_map(|one| &one.fields).for_each(|field| check(field, lost));
            }
            Kind::List { item, .. } => check(item, lost),
            _ => {}
        }
    }

    #[test]
    fn every_member_choice_and_hint_of_every_form_has_words_in_thai() {
        let catalogue = Catalogue::embedded().unwrap();
        let mut lost = Vec::new();
        for service in catalogue.services() {
            let form = Form::of(&catalogue, &service.form).unwrap_or_else(|| panic!("no form: {}", service.form));
            form.fields.iter().for_each(|field| check(field, &mut lost));
        }
        assert!(lost.is_empty(), "{lost:?}");
    }

    #[test]
    fn names_are_words_in_english() {
        assert_eq!(of_choice("FOOD_SHOP", Language::En), "Food shop");
        assert_eq!(of_member("house_number", Language::En), "House number");
        assert_eq!(of_member("income_satang", Language::En), "Income (baht)");
    }
}

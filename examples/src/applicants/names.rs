//! Common names, to mix.

/// A name in Thai and Latin letters.
pub(super) struct Name {
    pub(super) thai: &'static str,
    pub(super) latin: &'static str,
}

/// What a company does.
pub(super) struct Trade {
    pub(super) thai: &'static str,
    pub(super) latin: &'static str,
    /// Business code.
    pub(super) tsic: &'static str,
}

const fn name(thai: &'static str, latin: &'static str) -> Name {
    Name { thai, latin }
}

const fn trade(thai: &'static str, latin: &'static str, tsic: &'static str) -> Trade {
    Trade { thai, latin, tsic }
}

pub(super) const FEMALE: &[Name] = &[
    name("สมหญิง", "Somying"),
    name("มาลี", "Malee"),
    name("วรรณา", "Wanna"),
    name("สุภาพร", "Supaporn"),
    name("กมลชนก", "Kamonchanok"),
    name("พิมพ์ใจ", "Pimjai"),
    name("ณัฐธิดา", "Nattida"),
    name("ศิริพร", "Siriporn"),
    name("จันทร์เพ็ญ", "Chanpen"),
    name("อรทัย", "Orathai"),
    name("นภาพร", "Napaporn"),
    name("กัญญา", "Kanya"),
    name("รัตนา", "Rattana"),
    name("ปราณี", "Pranee"),
    name("ชนิดา", "Chanida"),
    name("วิไล", "Wilai"),
    name("สุดารัตน์", "Sudarat"),
    name("ดวงใจ", "Duangjai"),
    name("พรทิพย์", "Porntip"),
    name("อัญชลี", "Anchalee"),
];

pub(super) const MALE: &[Name] = &[
    name("สมชาย", "Somchai"),
    name("สมศักดิ์", "Somsak"),
    name("ประเสริฐ", "Prasert"),
    name("วิชัย", "Wichai"),
    name("ธนพล", "Thanaphon"),
    name("ณัฐวุฒิ", "Nattawut"),
    name("อนุชา", "Anucha"),
    name("กิตติ", "Kitti"),
    name("ชัยวัฒน์", "Chaiwat"),
    name("สุรชัย", "Surachai"),
    name("พงศกร", "Pongsakorn"),
    name("ธีรพงษ์", "Teerapong"),
    name("มานะ", "Mana"),
    name("ปิติ", "Piti"),
    name("อภิชาติ", "Apichat"),
    name("วีระ", "Weera"),
    name("เอกชัย", "Ekachai"),
    name("ศุภกร", "Supakorn"),
    name("บุญเลิศ", "Boonlert"),
    name("จักรพันธ์", "Chakkaphan"),
];

pub(super) const FAMILY: &[Name] = &[
    name("ทองดี", "Thongdee"),
    name("แก้วมณี", "Kaewmanee"),
    name("บุญมา", "Boonma"),
    name("ใจดี", "Jaidee"),
    name("ศรีสุวรรณ", "Srisuwan"),
    name("พรหมมา", "Promma"),
    name("คำแก้ว", "Khamkaew"),
    name("อินทร์แก้ว", "Inkaew"),
    name("จันทร์หอม", "Chanhom"),
    name("มีสุข", "Meesuk"),
    name("รักษาศรี", "Raksasri"),
    name("ทองคำ", "Thongkham"),
    name("สายทอง", "Saithong"),
    name("แสงทอง", "Saengthong"),
    name("ดวงดี", "Duangdee"),
    name("ขันทอง", "Khanthong"),
    name("บัวทอง", "Buathong"),
    name("เจริญสุข", "Charoensuk"),
    name("นาคทอง", "Nakthong"),
    name("หอมหวล", "Homhuan"),
    name("พลอยงาม", "Ployngam"),
    name("สิงห์ทอง", "Singthong"),
    name("กองแก้ว", "Kongkaew"),
    name("แซ่ลิ้ม", "Saelim"),
    name("แซ่ตั้ง", "Saetang"),
    name("สาและ", "Salae"),
];

/// Nationality (ISO 3166-1 alpha-2), first name, last name (empty where people have none).
pub(super) const FOREIGNERS: &[(&str, &str, &str)] = &[
    ("DE", "Anna", "Schmidt"),
    ("FR", "Camille", "Martin"),
    ("GB", "Oliver", "Smith"),
    ("IN", "Priya", "Sharma"),
    ("JP", "Haruto", "Sato"),
    ("LA", "Bounmy", "Phommachanh"),
    ("MM", "Aung Kyaw", ""),
    ("PH", "Maria", "Santos"),
    ("SE", "Karin", "Lindström"),
    ("VN", "Minh", "Nguyen"),
];

pub(super) const COMPANY_WORDS: &[Name] = &[
    name("ตะวันรุ่ง", "Rising Sun"),
    name("สายน้ำ", "River"),
    name("ไผ่เขียว", "Green Bamboo"),
    name("ภูผา", "Mountain"),
    name("ทะเลใส", "Clear Sea"),
    name("รวงทอง", "Golden Ear"),
];

pub(super) const COMPANY_TRADES: &[Trade] = &[
    trade("อาหาร", "Food", "10759"),
    trade("ก่อสร้าง", "Construction", "41002"),
    trade("ขนส่ง", "Transport", "49323"),
    trade("ซอฟต์แวร์", "Software", "62011"),
];

pub(super) const ROADS: &[&str] =
    &["สุขุมวิท", "มิตรภาพ", "เพชรเกษม", "พหลโยธิน", "ประชาธิปไตย", "เทศบาล 1", "หน้าเมือง", "ริมน้ำ"];

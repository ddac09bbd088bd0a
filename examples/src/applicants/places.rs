//! Some sub-districts of all regions of Thailand, with the postcode of each.

/// A sub-district. Names are in Thai, without the words for sub-district, district and province.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its code in the civil registry, 6 digits.
    pub area_code: &'static str,
    /// Its name.
    pub sub_district: &'static str,
    /// The district it lies in.
    pub district: &'static str,
    /// The province it lies in.
    pub province: &'static str,
    /// Its postcode, 5 digits.
    pub postcode: &'static str,
}

const fn place(
    area_code: &'static str,
    sub_district: &'static str,
    district: &'static str,
    province: &'static str,
    postcode: &'static str,
) -> Place {
    Place { area_code, sub_district, district, province, postcode }
}

/// From the centre to the south.
pub const PLACES: &[Place] = &[
    place("104602", "สามวาตะวันออก", "คลองสามวา", "กรุงเทพมหานคร", "10510"),
    place("101601", "วัดอรุณ", "บางกอกใหญ่", "กรุงเทพมหานคร", "10600"),
    place("102205", "บางไผ่", "ภาษีเจริญ", "กรุงเทพมหานคร", "10160"),
    place("104901", "บางมด", "ทุ่งครุ", "กรุงเทพมหานคร", "10140"),
    place("120501", "ไทรน้อย", "ไทรน้อย", "นนทบุรี", "11150"),
    place("140108", "ภูเขาทอง", "พระนครศรีอยุธยา", "พระนครศรีอยุธยา", "13000"),
    place("730320", "บางพระ", "นครชัยศรี", "นครปฐม", "73120"),
    place("740116", "บางกระเจ้า", "เมืองสมุทรสาคร", "สมุทรสาคร", "74000"),
    place("160610", "บางกะพี้", "บ้านหมี่", "ลพบุรี", "15110"),
    place("200107", "นาป่า", "เมืองชลบุรี", "ชลบุรี", "20000"),
    place("200203", "มาบไผ่", "บ้านบึง", "ชลบุรี", "20170"),
    place("210108", "นาตาขวัญ", "เมืองระยอง", "ระยอง", "21000"),
    place("220508", "อ่างคีรี", "มะขาม", "จันทบุรี", "22150"),
    place("230501", "แหลมงอบ", "แหลมงอบ", "ตราด", "23120"),
    place("500611", "บ้านช้าง", "แม่แตง", "เชียงใหม่", "50150"),
    place("501007", "มะลิกา", "แม่อาย", "เชียงใหม่", "50280"),
    place("570801", "เวียง", "เชียงแสน", "เชียงราย", "57150"),
    place("520114", "บ้านเป้า", "เมืองลำปาง", "ลำปาง", "52100"),
    place("550904", "พระธาตุ", "เชียงกลาง", "น่าน", "55160"),
    place("580303", "แม่นาเติง", "ปาย", "แม่ฮ่องสอน", "58130"),
    place("650102", "วังน้ำคู้", "เมืองพิษณุโลก", "พิษณุโลก", "65230"),
    place("640401", "กง", "กงไกรลาศ", "สุโขทัย", "64170"),
    place("601101", "ลาดยาว", "ลาดยาว", "นครสวรรค์", "60150"),
    place("301212", "โพนทอง", "บัวใหญ่", "นครราชสีมา", "30120"),
    place("300815", "ห้วยบง", "ด่านขุนทด", "นครราชสีมา", "30210"),
    place("402901", "ในเมือง", "เวียงเก่า", "ขอนแก่น", "40150"),
    place("411112", "บ้านตาด", "บ้านดุง", "อุดรธานี", "41190"),
    place("340412", "บ้านกอก", "เขื่องใน", "อุบลราชธานี", "34320"),
    place("450204", "สิงห์โคก", "เกษตรวิสัย", "ร้อยเอ็ด", "45150"),
    place("470202", "นาโพธิ์", "กุสุมาลย์", "สกลนคร", "47210"),
    place("421202", "ท่าช้างคล้อง", "ผาขาว", "เลย", "42240"),
    place("311701", "โนนสุวรรณ", "โนนสุวรรณ", "บุรีรัมย์", "31110"),
    place("710608", "ม่วงชุม", "ท่าม่วง", "กาญจนบุรี", "71110"),
    place("700117", "หลุมดิน", "เมืองราชบุรี", "ราชบุรี", "70000"),
    place("760117", "หาดเจ้าสำราญ", "เมืองเพชรบุรี", "เพชรบุรี", "76100"),
    place("770101", "ประจวบคีรีขันธ์", "เมืองประจวบคีรีขันธ์", "ประจวบคีรีขันธ์", "77000"),
    place("630903", "ประดาง", "วังเจ้า", "ตาก", "63000"),
    place("830101", "ตลาดใหญ่", "เมืองภูเก็ต", "ภูเก็ต", "83000"),
    place("900310", "จะโหนง", "จะนะ", "สงขลา", "90130"),
    place("901118", "พะตง", "หาดใหญ่", "สงขลา", "90230"),
    place("840803", "น้ำหัก", "คีรีรัฐนิคม", "สุราษฎร์ธานี", "84180"),
    place("800603", "ท่าขนาน", "เชียรใหญ่", "นครศรีธรรมราช", "80190"),
    place("810201", "เขาพนม", "เขาพนม", "กระบี่", "81140"),
    place("950205", "ธารน้ำทิพย์", "เบตง", "ยะลา", "95110"),
    place("940404", "ดอน", "ปะนาเระ", "ปัตตานี", "94130"),
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};
    use std::env;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    /// The official lists lie beside the repository, or where the variable says. A machine without them cannot check, and
    /// says so; the build server must have them.
    fn lists() -> Option<PathBuf> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
        let folder = env::var_os("SAPHAN_SHARED_DATA").map_or(beside, PathBuf::from).join("thai-administrative-areas");
        if folder.is_dir() {
            return Some(folder);
        }
        assert_ne!(env::var("CI").as_deref(), Ok("true"), "{} is missing; set SAPHAN_SHARED_DATA", folder.display());
        eprintln!("NOT CHECKED: {} is missing; set SAPHAN_SHARED_DATA to the folder of the lists", folder.display());
        None
    }

    /// The rows of a list by the value of their first column.
    fn rows(folder: &Path, name: &str) -> HashMap<String, Vec<String>> {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        let rows = text.trim_start_matches('\u{feff}').lines().skip(1);
        rows.map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>())
            .map(|row| (row[0].clone(), row))
            .collect()
    }

    #[test]
    fn every_place_is_in_the_official_lists_as_it_stands_here() {
        let Some(folder) = lists() else { return };
        let (sub_districts, districts, provinces) =
            (rows(&folder, "sub-districts.csv"), rows(&folder, "districts.csv"), rows(&folder, "provinces.csv"));
        for place in PLACES {
            let [_, postcode, name, _, district] = &sub_districts[place.area_code][..] else { unreachable!() };
            let [_, district, _, province] = &districts[district][..] else { unreachable!() };
            assert_eq!((place.sub_district, place.postcode), (name.as_str(), postcode.as_str()));
            assert_eq!(place.district, district.trim_start_matches("เขต"));
            assert_eq!(place.province, provinces[province][1]);
        }
    }

    #[test]
    fn places_are_distinct_and_lie_in_many_provinces() {
        let codes: BTreeSet<_> = PLACES.iter().map(|place| place.area_code).collect();
        let provinces: BTreeSet<_> = PLACES.iter().map(|place| place.province).collect();
        assert_eq!(codes.len(), PLACES.len());
        assert!(provinces.len() >= 30, "{}", provinces.len());
    }
}

//! Great-circle distance.

/// Mean radius of the earth in kilometres (IUGG).
const EARTH_KM: f64 = 6371.0088;

/// Kilometres between a point in millionths of a degree and one in hundredths, by the haversine formula.
/// Uses `libm`, so that every machine gives the same number.
pub(super) fn km(from_micro: (i32, i32), to_centi: (i16, i16)) -> u32 {
    let radians = |degrees: f64| degrees * core::f64::consts::PI / 180.0;
    let from = (f64::from(from_micro.0) / 1e6, f64::from(from_micro.1) / 1e6);
    let to = (f64::from(to_centi.0) / 100.0, f64::from(to_centi.1) / 100.0);
    let half = |a: f64, b: f64| libm::sin(radians(b - a) / 2.0);
    let (lat, lon) = (half(from.0, to.0), half(from.1, to.1));
    let chord = lat * lat + libm::cos(radians(from.0)) * libm::cos(radians(to.0)) * lon * lon;
    libm::round(2.0 * EARTH_KM * libm::asin(libm::sqrt(chord.clamp(0.0, 1.0)))) as u32
}

#[cfg(test)]
mod tests {
    use super::km;

    #[test]
    fn known_distances() {
        // London to New York and to Paris, rounded to hundredths of a degree.
        let london = (51_507_400, -127_800);
        assert_eq!(km(london, (4071, -7401)), 5571);
        assert_eq!(km(london, (4886, 235)), 343);
        assert_eq!(km(london, (5151, -13)), 0);
    }
}

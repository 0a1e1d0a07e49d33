//! Numbers as JavaScript has them: floats that count bytes, milliseconds or ids.

/// The whole number nearest below, 0 for a negative one or none at all.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates and makes NaN 0, which is what is wanted"
)]
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}

/// As JavaScript takes it: exact up to 2^53, a thousand times the largest file.
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_count_is_zero() {
        assert_eq!(whole(-1.0), 0);
        assert_eq!(whole(f64::NAN), 0);
        assert_eq!(whole(f64::INFINITY), u64::MAX);
        assert_eq!(whole(float(1 << 53)), 1 << 53);
    }
}

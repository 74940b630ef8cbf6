//! Pauses between attempts, of random length.

use std::time::Duration;

use rand::TryRng as _;

/// Half to all of a pause, so that many processes do not come back at the same instant.
pub(crate) fn with_jitter(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + f64::from(random()) / f64::from(u32::MAX) / 2.0)
}

/// Any number.
pub(crate) fn random() -> u32 {
    rand::rngs::SysRng.try_next_u32().unwrap_or(u32::MAX)
}

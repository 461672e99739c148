//! How likely a channel sells what is not there, and how many units to keep back so that it does not.
//!
//! A sale on one channel lowers what the others show only after a lag. What they sell in between is sold twice if
//! it was the last of it. Rates are in units per hour and count only time in stock; lags are in hours, and are
//! measured quantiles, never means. Everything here is a pure function; floating point uses `libm`, so that every
//! machine keeps back the same units.
//!
//! Sources: Poisson loss function: van Donselaar & Broekmeulen 2010. Newsvendor, Littlewood's rule and EMSR-b:
//! Talluri & van Ryzin, *The Theory and Practice of Revenue Management*, 2004. Gamma-Poisson: Gelman et al.,
//! *Bayesian Data Analysis*, section 2.6.

mod demand;
mod lag;
mod protect;
mod velocity;

pub use demand::{Demand, MEAN_UNITS_MAX};
pub use lag::{Seller, oversell_chance, oversold_at_last_unit_chance, oversold_units};
pub use protect::{Fare, buffer_units, newsvendor_units, protection_levels, risk_of_costs};
pub use velocity::Velocity;

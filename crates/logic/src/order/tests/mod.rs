//! Tests of an order: what was given, what then is outstanding, and where the order is.

mod asked;
mod cancels;
mod changes;
mod channel;
mod flow;
mod held;
mod histories;
mod people;
mod placing;
mod recalls;
mod reports;
mod scene;
mod shop;
mod world;

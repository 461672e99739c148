//! Routing: which location fulfils what, by explicit rules.

//! What is asked from outside, each under a key of its own, again and again until it is answered; and what was answered.

use std::collections::BTreeMap;

use crossdock_model::answer::StockView;
use crossdock_model::command::{LocationCommand, OrderCommand, SkuCommand};
use crossdock_model::v1::Origin;
use crossdock_model::{
    Answer, Command, CommandKey, CredentialId, Duration, EntityId, HoldId, LocationId, Meta,
    Rejection, SkuId, Timestamp,
};

use super::Broken;
use super::clocks::Now;
use super::held::Held;
use super::linear::{Asked, Call, Told, is_linearizable};
use super::marks::Marks;

/// What a request means to the stock of the world, once it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Means {
    /// Nothing.
    Nothing,
    /// So many units more, or fewer, are there.
    Moves(Vec<(SkuId, i64)>),
    /// As many as its answer says.
    Counts(SkuId),
}

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub to: EntityId,
    pub command: Command,
    pub means: Means,
    key: CommandKey,
    issued_at: Timestamp,
    /// It was refused, and asked once more: another copy of it may have been under way, which may be done.
    was_refused: bool,
    is_done: bool,
    /// What had happened when it was made, and when it was answered.
    made_after: u64,
    answered_after: Option<u64>,
    /// How often it was sent.
    pub sent: u32,
    /// What it was answered, and as the so many-th answer.
    pub answered: Option<(u64, Result<Answer, Rejection>)>,
}

impl Request {
    /// In whose name it is asked, and as which repeat.
    fn meta(&self, by: &CredentialId, now: Timestamp) -> Meta {
        Meta {
            key: Some(self.key.clone()),
            body_hash: 1,
            ..super::meta(by, now)
        }
    }
}

/// All requests, and the stock that follows from what was answered: the reference that the node is held to.
#[derive(Debug, Default)]
pub(super) struct Requests {
    all: Vec<Request>,
    open: usize,
    stock: BTreeMap<SkuId, i64>,
    held: Held,
    opened: BTreeMap<LocationId, Timestamp>,
}

impl Requests {
    /// Returns its number.
    pub fn make(
        &mut self,
        to: EntityId,
        command: Command,
        means: Means,
        (now, happened): (Timestamp, u64),
    ) -> Result<usize, Broken> {
        let number = self.all.len();
        let key = CommandKey::new(format!("k-{number}"))?;
        self.open += 1;
        self.all.push(Request {
            to,
            command,
            means,
            key,
            issued_at: now,
            was_refused: false,
            is_done: false,
            made_after: happened,
            answered_after: None,
            sent: 0,
            answered: None,
        });
        Ok(number)
    }

    /// It gets to the node, which says by its clock up to when is held what is to be held for so long.
    pub fn arrives(
        &mut self,
        number: usize,
        by: &CredentialId,
        now: Now,
        jumped: Duration,
    ) -> Option<(EntityId, Command, Meta)> {
        let request = self.all.get(number)?;
        let (to, mut command) = (request.to.clone(), request.command.clone());
        if let Some(expires_at) = expires_at(&mut command) {
            let lasts = expires_at.since(request.issued_at);
            *expires_at = now.node + lasts;
            self.held.asked(&to, &command, lasts, (now.world, jumped));
        }
        self.held.asked_more(&to, &command);
        Some((to, command, request.meta(by, now.node)))
    }

    /// Whether what was to be held for so long may end now. What is not known may.
    pub fn is_over(&self, sku: &SkuId, hold: &HoldId, now: Timestamp, jumped: Duration) -> bool {
        self.held.is_over(sku, hold, now, jumped)
    }

    /// It is sent once more.
    pub fn sends(&mut self, number: usize) {
        if let Some(request) = self.all.get_mut(number) {
            request.sent += 1;
        }
    }

    /// `I14`, of every SKU, where clients ask for nothing but what the model of one knows.
    ///
    /// # Errors
    /// [`Broken`] when what they were answered could not have been.
    pub fn check_histories(&self, marks: &mut Marks) -> Result<(), Broken> {
        let mut calls: BTreeMap<&SkuId, Vec<Call>> = BTreeMap::new();
        for (number, request) in (0..).zip(&self.all) {
            if let EntityId::Sku(sku) = &request.to {
                calls
                    .entry(sku)
                    .or_default()
                    .extend(calls_of(number, request));
            }
        }
        for (sku, calls) in calls {
            let explained = is_linearizable(&calls);
            marks.note_if(explained == Some(true), "history_explained");
            marks.note_if(explained.is_none(), "history_too_long");
            if explained == Some(false) {
                let what = format!(
                    "{sku}: no order of {} calls explains their answers",
                    calls.len()
                );
                return Err(Broken::new("I14", what));
            }
        }
        Ok(())
    }

    /// Whether it says that units came back.
    pub fn is_return(&self, number: usize) -> bool {
        let command = self.all.get(number).map(|request| &request.command);
        matches!(command, Some(Command::Order(OrderCommand::Return { .. })))
    }

    pub fn get(&self, number: usize) -> Option<&Request> {
        self.all.get(number)
    }

    /// How many were.
    pub fn count_answered(&self) -> u64 {
        (self.all.len() - self.open) as u64
    }

    /// One that was not answered yet.
    pub fn first_open(&self) -> Option<&Request> {
        self.all.iter().find(|request| request.answered.is_none())
    }

    /// When it was last said that a location is open.
    pub fn opened_at(&self, location: &LocationId) -> Option<Timestamp> {
        self.opened.get(location).copied()
    }

    /// Units of a SKU that may be held now.
    pub fn held_at_most(&self, sku: &SkuId, now: Timestamp) -> u64 {
        self.held.at_most(sku, now)
    }

    /// Units of each SKU that there are by all that was answered.
    pub fn stock(&self) -> &BTreeMap<SkuId, i64> {
        &self.stock
    }

    /// An answer was given, whether it gets to the client or not: what it says is done is done, also of a request that was
    /// refused before.
    pub fn given(&mut self, number: usize, result: &Result<Answer, Rejection>, now: Timestamp) {
        let (Some(request), Ok(answer)) = (self.all.get_mut(number), result) else {
            return;
        };
        if let Command::Location(LocationCommand::Define(facts)) = &request.command
            && facts.enabled
        {
            // Also by a repeat: what changed nothing is not remembered, and decided anew.
            self.opened.insert(facts.location.clone(), now);
        }
        if std::mem::replace(&mut request.is_done, true) {
            return;
        }
        self.held.done(&request.to, &request.command);
        match (&request.means, answer) {
            (Means::Moves(moves), _) => {
                for (sku, units) in moves {
                    *self.stock.entry(sku.clone()).or_default() += units;
                }
            }
            (Means::Counts(sku), Answer::Counted { on_hand_delta, .. }) => {
                *self.stock.entry(sku.clone()).or_default() += on_hand_delta;
            }
            (Means::Counts(_) | Means::Nothing, _) => {}
        }
    }

    /// A request is answered, with what was given as the so many-th answer. One that asks to try again answers nothing.
    ///
    /// # Errors
    /// [`Broken`] `I4` when what was done is answered otherwise later, `I11` when it is refused for no reason.
    pub fn answered(
        &mut self,
        number: usize,
        (given, happened): (u64, u64),
        result: Result<Answer, Rejection>,
        marks: &mut Marks,
    ) -> Result<(), Broken> {
        let Some(request) = self.all.get_mut(number) else {
            return Ok(());
        };
        if let Err(Rejection::Busy { .. } | Rejection::Contended { .. }) = result {
            return Ok(());
        }
        refused_in_vain(&request.command, &result)?;
        if let Some((known_given, known)) = &request.answered {
            marks.note("answered_again");
            let (first, second) = match *known_given < given {
                true => (known, &result),
                false => (&result, known),
            };
            // What changed nothing is not remembered, and decided anew.
            if request.means != Means::Nothing && !agree(first, second) {
                let what = format!("{:?}: {first:?}, then {second:?}", request.command);
                return Err(Broken::new("I4", what));
            }
            // What was refused at first may have been done later: it is answered only now.
            if known.is_ok() || result.is_err() {
                return Ok(());
            }
        } else if result.is_err() && request.means != Means::Nothing && !request.was_refused {
            request.was_refused = true;
            return Ok(());
        } else {
            self.open -= 1;
        }
        request.answered_after = Some(happened);
        request.answered = Some((given, result));
        Ok(())
    }
}

/// Up to when something is to be held.
fn expires_at(command: &mut Command) -> Option<&mut Timestamp> {
    match command {
        Command::Sku(SkuCommand::Hold { expires_at, .. })
        | Command::Order(OrderCommand::State {
            origin: Origin::Hold { expires_at },
            ..
        }) => Some(expires_at),
        _ => None,
    }
}

/// What a request, and its answer, means to the model of a SKU. One that was refused and sent more than once may be done all
/// the same, later.
fn calls_of(number: u64, request: &Request) -> Vec<Call> {
    let Command::Sku(command) = &request.command else {
        let is_read = request.command == Command::Read;
        return is_read
            .then(|| call(Asked::Look, request))
            .into_iter()
            .collect();
    };
    let hold_number = |hold: &HoldId| hold.as_str().parse().unwrap_or(number);
    let asked = match command {
        SkuCommand::Receive { units, .. } => Asked::Moves(i64::from(*units)),
        SkuCommand::Adjust { delta, .. } => Asked::Moves(*delta),
        SkuCommand::Hold { hold, units, .. } => Asked::Hold(hold_number(hold), i64::from(*units)),
        SkuCommand::ReleaseHold { hold } => Asked::Release(hold_number(hold)),
        _ => return Vec::new(),
    };
    let known = call(asked, request);
    let may_be_done = matches!(known.told, Told::Left(_)) && request.sent > 1;
    let later = Call {
        told: Told::Nothing,
        to: u64::MAX,
        ..known
    };
    [known]
        .into_iter()
        .chain(may_be_done.then_some(later))
        .collect()
}

fn call(asked: Asked, request: &Request) -> Call {
    let left = |stock: &StockView| Told::Left(i64::try_from(stock.ats()).unwrap_or(i64::MAX));
    let told = match request.answered.as_ref().map(|(_, result)| result) {
        Some(Ok(Answer::Stock(view))) => left(view),
        Some(Err(Rejection::Short { stock, .. })) => left(stock),
        Some(Ok(_)) => Told::Done,
        Some(Err(_)) | None => Told::Nothing,
    };
    Call {
        asked,
        told,
        from: request.made_after,
        to: match told {
            Told::Nothing => u64::MAX,
            _ => request.answered_after.unwrap_or(u64::MAX),
        },
    }
}

/// `I11`: whoever asks for units is refused only if they are not there, or others wait for them.
fn refused_in_vain(command: &Command, result: &Result<Answer, Rejection>) -> Result<(), Broken> {
    let (Command::Sku(SkuCommand::Hold { units, .. }), Err(Rejection::Short { sku, stock })) =
        (command, result)
    else {
        return Ok(());
    };
    let left = stock.ats().saturating_sub(stock.waiting_units.into());
    match left >= u64::from(*units) {
        true => Err(Broken::new(
            "I11",
            format!("{units} of {sku} are not held: {stock:?}"),
        )),
        false => Ok(()),
    }
}

/// Whether a later answer to the same request goes with an earlier one: what was done stays done. What an order is like may
/// have changed since.
fn agree(first: &Result<Answer, Rejection>, second: &Result<Answer, Rejection>) -> bool {
    match (first, second) {
        (Ok(Answer::Order(_)), Ok(Answer::Order(_))) | (Err(_), _) => true,
        (Ok(first), Ok(second)) => first == second,
        (Ok(_), Err(_)) => false,
    }
}

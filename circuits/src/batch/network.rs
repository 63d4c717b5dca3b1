//! A switching network: permutes numbers, and undoes it on others.
//!
//! The network is Waksman's, for any size: pairs of lanes meet in a switch, one lane of each pair
//! goes to the upper half network and the other to the lower one, and pairs meet again behind them.
//! Every setting of the switches is a permutation, so nothing has to be proven about the settings
//! but that they are booleans; every permutation has settings, so an honest prover always finds
//! them. Among `n` lanes stand `Σ ⌈log2 i⌉, i = 1..n` switches: 17, 177, 545 and 2,945 for the four
//! shapes. A switch costs three constraints: its boolean, a swap there and a swap back.

use crate::bits::Bit;
use crate::r1cs::{Cs, Num};

/// A switch between two lanes.
struct Switch {
    lanes: [usize; 2],
    swap: Bit,
}

impl Switch {
    /// Swaps the numbers on the two lanes if the switch is set; one constraint.
    fn apply(&self, cs: &mut Cs, numbers: &mut [Num]) {
        let [first, second] = self.lanes;
        let step = cs.mul(self.swap.num(), &(&numbers[second] - &numbers[first]));
        numbers[first] = &numbers[first] + &step;
        numbers[second] = &numbers[second] - &step;
    }
}

/// A network with its switches set.
pub(super) struct Network(Vec<Switch>);

impl Network {
    /// Allocates the switches of a network of `size` lanes; one constraint each.
    pub(super) fn alloc(cs: &mut Cs, size: usize, settings: &[bool]) -> Self {
        let lanes = switch_lanes(size);
        assert_eq!(lanes.len(), settings.len(), "one setting per switch");
        let switch = |(lanes, setting): ([usize; 2], &bool)| Switch {
            lanes,
            swap: Bit::alloc(cs, *setting),
        };
        Self(lanes.into_iter().zip(settings).map(switch).collect())
    }

    /// Sends numbers through the network.
    pub(super) fn forward(&self, cs: &mut Cs, mut numbers: Vec<Num>) -> Vec<Num> {
        for switch in &self.0 {
            switch.apply(cs, &mut numbers);
        }
        numbers
    }

    /// Sends numbers back: what stands at an output goes to the input that [`Network::forward`]
    /// brought there.
    pub(super) fn backward(&self, cs: &mut Cs, mut numbers: Vec<Num>) -> Vec<Num> {
        for switch in self.0.iter().rev() {
            switch.apply(cs, &mut numbers);
        }
        numbers
    }
}

/// Number of switches of a network of `size` lanes.
pub(super) fn num_switches(size: usize) -> usize {
    switch_lanes(size).len()
}

fn switch_lanes(size: usize) -> Vec<[usize; 2]> {
    let identity: Vec<usize> = (0..size).collect();
    build(&identity).into_iter().map(|(lanes, _)| lanes).collect()
}

/// Settings that bring input `order[j]` to output `j`; `order` is a permutation.
pub(super) fn route(order: &[usize]) -> Vec<bool> {
    build(order).into_iter().map(|(_, swap)| swap).collect()
}

/// The switches in order, with settings for a permutation. The lanes do not depend on it.
fn build(order: &[usize]) -> Vec<([usize; 2], bool)> {
    let lanes: Vec<usize> = (0..order.len()).collect();
    let mut switches = Vec::new();
    extend(&lanes, order, &mut switches);
    switches
}

/// Appends the switches of the network over `lanes`.
///
/// The even lanes form the upper half network, the odd ones the lower, which also takes the last
/// lane of an odd number. The last pair of an even number needs no switch behind the halves.
fn extend(lanes: &[usize], order: &[usize], switches: &mut Vec<([usize; 2], bool)>) {
    let n = lanes.len();
    if n < 2 {
        return;
    }
    let lower = choose_halves(order);
    for i in 0..n / 2 {
        switches.push(([lanes[2 * i], lanes[2 * i + 1]], lower[2 * i]));
    }
    for half in [false, true] {
        let half_lanes = (0..n).filter(|&i| is_lower(i, n) == half).map(|i| lanes[i]);
        let half_order = order
            .iter()
            .filter(|&&input| lower[input] == half)
            .map(|input| input / 2);
        extend(
            &half_lanes.collect::<Vec<_>>(),
            &half_order.collect::<Vec<_>>(),
            switches,
        );
    }
    for j in 0..(n - 1) / 2 {
        switches.push(([lanes[2 * j], lanes[2 * j + 1]], lower[order[2 * j]]));
    }
}

fn is_lower(lane: usize, size: usize) -> bool {
    lane % 2 == 1 || lane + 1 == size
}

/// For each input, whether it goes through the lower half.
///
/// The two inputs of a switch go to different halves, and so do the two outputs of one. The last
/// output comes from the lower half. Starting there and going from partner to partner, all choices
/// are forced; what remains falls into closed loops, each of which may start with either half.
fn choose_halves(order: &[usize]) -> Vec<bool> {
    let n = order.len();
    let mut output_of = vec![0; n];
    for (output, &input) in order.iter().enumerate() {
        output_of[input] = output;
    }
    let mut lower: Vec<Option<bool>> = vec![None; n];
    let starts = std::iter::once((n - 1, true)).chain((0..n).map(|output| (output, false)));
    for (start, half) in starts {
        let mut output = start;
        while output < n && lower[order[output]].is_none() {
            let input = order[output];
            lower[input] = Some(half);
            let partner = input ^ 1;
            if partner >= n {
                break;
            }
            lower[partner] = Some(!half);
            output = output_of[partner] ^ 1;
        }
    }
    lower
        .into_iter()
        .map(|half| half.expect("every output was visited"))
        .collect()
}

#[cfg(test)]
mod tests;

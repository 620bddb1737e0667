// What an installation may want to change. Override it as in any monitoring mixin: `{ _config+:: { ... } }`.
{
  _config+:: {
    // Picks tcpeek's series.
    tcpeekSelector: 'job="tcpeek"',
    // Picks those of tcpeek-forward.
    forwarderSelector: 'job="tcpeek-forward"',
    // The labels that tell one host from another; what is summed over a fleet goes without them.
    hostLabels: ['instance'],
    // Filters that are judged by themselves. What RX has, the alerts of services tell by port.
    filterSelector: 'filter!="RX"',

    // Rates that are recorded and shown, and those that the quick alerts watch: at least four scrapes.
    window: '5m',
    alertWindow: '1m',
    // How long a thing must last before it is told: what breaks, and what wears. The latter longer than the window,
    // or every short fault is told again when it is over.
    quickFor: '30s',
    slowFor: '10m',
    downFor: '1m',
    // A sign of a full accept queue lasts a minute by itself.
    queueFor: '2m',
    // How long a host is missed after its last sample.
    goneAfter: '5m',
    goneForgotten: '1h',
    // How long a forwarder may be without a connection. So long tcpeek keeps the events of one that is away, or less if
    // there are many.
    forwarderFor: '5m',

    // Failed of those that ended. What its own initiator aborted (probes, scans) is not counted as failed.
    failingRatio: 0.5,
    degradedRatio: 0.05,
    // Failures within the window, below which a ratio means nothing.
    minFailures: 5,
    // Of the attempts of the alert window, those that have no outcome yet.
    unansweredRatio: 0.5,
    // Repeated SYNs of all attempts: a repeat delays a connection by a second or more.
    retransmitRatio: 0.1,
    // Slow connections of all that a filter counts.
    slowRatio: 0.01,
    // How many seconds are slow: a bound of the histogram (0.000064 times a power of two), written as in its label `le`.
    // With a repeated SYN or SYN/ACK a connection takes a second and some milliseconds, which is below the next bound.
    slowBound: '0.524288',
    // Lost packets of all that were captured.
    dropRatio: 0.001,
    // So many hosts with the same trouble are no coincidence.
    fleetHosts: 3,

    // Set this to the URL at which you serve docs/runbooks.md; %s is the section. As it is, it names the file.
    runbookURLPattern: 'docs/runbooks.md#%s',

    dashboardTags: ['tcpeek'],
    dashboardRefresh: '30s',
  },
}

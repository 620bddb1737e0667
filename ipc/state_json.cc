#include "ipc/state_json.h"

namespace tcpeek::ipc {
namespace {

void write_figures(JsonWriter& json, const HealthFigures& figures) {
  json.member("ended", figures.ended());
  json.member("failed", figures.failed);
  json.member("retried", figures.retried);
}

}  // namespace

void write_state(JsonWriter& json, const FilterHealth& health) {
  json.object("state", [&] {
    json.member("is", word(health.is));
    json.time_member("since", health.since);
    write_figures(json, health.figures);
    json.object("before", [&] {
      json.member("is", word(health.before));
      write_figures(json, health.figures_before);
    });
  });
}

}  // namespace tcpeek::ipc

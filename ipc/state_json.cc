#include "ipc/state_json.h"

#include "ipc/json_text.h"

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
    if (health.since) {
      json.member("since", rfc3339_utc(*health.since));
    } else {
      json.null_member("since");
    }
    write_figures(json, health.figures);
    json.object("before", [&] {
      json.member("is", word(health.before));
      write_figures(json, health.figures_before);
    });
  });
}

}  // namespace tcpeek::ipc

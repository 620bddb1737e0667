// What is published: a subject, an id that makes it recognised when it comes twice, and a JSON line.
//
// Thread contract: a plain value.
#pragma once

#include <string>

#include "engine/forward/position.h"

namespace tcpeek::forward {

struct Message {
  std::string subject;
  std::string id;
  std::string payload;
  // Where to resume once this message and all before it are stored.
  Position resume_after;
};

}  // namespace tcpeek::forward

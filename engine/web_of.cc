#include "engine/web_of.h"

#include <utility>

#include "engine/base/service_names.h"
#include "engine/serve/web_page.h"

namespace tcpeek::engine {

ipc::HttpServer::Web web_of(const std::string& boot, RequestHandler& handler) {
  return {.page = std::string(web_page()),
          .policy = std::string(web_page_policy()),
          .services = service_names_here(),
          .boot = boot,
          .ask = [&handler](std::string request, ipc::Reply reply) {
            handler.ask(std::move(request), std::move(reply));
          }};
}

}  // namespace tcpeek::engine

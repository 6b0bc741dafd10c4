#include "tools/train/settings.hpp"

namespace tweedie {

using nlohmann::json;

namespace {

json data_json(const DataOptions& d) {
  json all = {{"source", d.source},
              {"dataset", d.dataset},
              {"size", d.size},
              {"channels", d.channels},
              {"min_shrink", d.min_shrink},
              {"max_shrink", d.max_shrink},
              {"flip", d.flip},
              {"jitter", d.jitter},
              {"gray", d.gray},
              {"slice_axis", d.slice_axis},
              {"range", nullptr}};
  if (d.range) all["range"] = {d.range->first, d.range->second};
  return all;
}

DataOptions data_options(const json& j) {
  DataOptions d;
  d.source = j.at("source");
  d.dataset = j.at("dataset");
  d.size = j.at("size");
  d.channels = j.at("channels");
  d.min_shrink = j.at("min_shrink");
  d.max_shrink = j.at("max_shrink");
  d.flip = j.at("flip");
  d.jitter = j.at("jitter");
  d.gray = j.at("gray");
  d.slice_axis = j.at("slice_axis");
  if (!j.at("range").is_null()) d.range = {j.at("range").at(0), j.at("range").at(1)};
  return d;
}

}  // namespace

json to_json(const TrainSettings& s) {
  return {{"model", to_json(s.unet)},
          {"diffusion", to_json(s.diffusion)},
          {"data", data_json(s.data)},
          {"optimiser",
           {{"beta1", s.optimiser.beta1},
            {"beta2", s.optimiser.beta2},
            {"epsilon", s.optimiser.epsilon},
            {"weight_decay", s.optimiser.weight_decay},
            {"ema_rate", s.optimiser.ema_rate},
            {"clip", s.optimiser.clip}}},
          {"rate", s.rate},
          {"final_rate", s.final_rate},
          {"cosine", s.cosine},
          {"warmup", s.warmup},
          {"steps", s.steps},
          {"batch", s.batch},
          {"accumulate", s.accumulate},
          {"timesteps", s.timesteps},
          {"class_conditional", s.class_conditional},
          {"seed", s.seed}};
}

TrainSettings train_settings(const json& j, const std::string& where) {
  try {
    TrainSettings s;
    s.unet = parse_unet_config(j.at("model"), where + ": model");
    s.diffusion = parse_diffusion_config(j.at("diffusion"), where + ": diffusion");
    s.data = data_options(j.at("data"));
    const json& o = j.at("optimiser");
    s.optimiser = {o.at("beta1"),        o.at("beta2"),    o.at("epsilon"),
                   o.at("weight_decay"), o.at("ema_rate"), o.at("clip")};
    s.rate = j.at("rate");
    s.final_rate = j.at("final_rate");
    s.cosine = j.at("cosine");
    s.warmup = j.at("warmup");
    s.steps = j.at("steps");
    s.batch = j.at("batch");
    s.accumulate = j.at("accumulate");
    s.timesteps = j.at("timesteps");
    s.class_conditional = j.at("class_conditional");
    s.seed = j.at("seed");
    return s;
  } catch (const json::exception& error) {
    throw Error(message(where, ": the run's settings cannot be read: ", error.what()));
  }
}

}  // namespace tweedie

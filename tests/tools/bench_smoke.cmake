# Runs `tweedie-bench` (BENCH=path) for one kernel, and a step of WEIGHTS=file, and reads what it prints.
#   cmake -DBENCH=bin/tweedie-bench -DWEIGHTS=weights/pretrained/photo.h5 -P bench_smoke.cmake
execute_process(COMMAND ${BENCH} --device cpu --filter attention --json
  RESULT_VARIABLE code OUTPUT_VARIABLE text ERROR_VARIABLE errors)
if(NOT code EQUAL 0)
  message(FATAL_ERROR "exit code ${code}: ${errors}")
endif()

function(expect_positive)
  string(JSON value GET "${text}" ${ARGN})  # fails where the text is not JSON or has no such field
  if(NOT value GREATER 0)
    message(FATAL_ERROR "${ARGN} is ${value}, expected a positive number")
  endif()
endfunction()

expect_positive(peaks copy gb_per_s)
string(JSON device GET "${text}" device)
if(device STREQUAL "")
  message(FATAL_ERROR "no device name")
endif()
string(JSON rows LENGTH "${text}" rows)
if(rows LESS 2)
  message(FATAL_ERROR "${rows} rows, expected attention forward and backward at least")
endif()
math(EXPR last "${rows} - 1")
foreach(row RANGE ${last})
  string(JSON kernel GET "${text}" rows ${row} kernel)
  if(NOT kernel MATCHES "attention")
    message(FATAL_ERROR "row ${row} is of ${kernel}, which the filter leaves out")
  endif()
  foreach(field runs seconds seconds_min seconds_max gb_per_s share_of_peak)
    expect_positive(rows ${row} ${field})
  endforeach()
endforeach()

execute_process(COMMAND ${BENCH} --device cpu --filter no_such_kernel
  RESULT_VARIABLE code OUTPUT_VARIABLE text ERROR_VARIABLE errors)
if(NOT code EQUAL 2 OR NOT errors MATCHES "no_such_kernel.*group_norm" OR NOT text STREQUAL "")
  message(FATAL_ERROR "a filter that fits nothing: exit code ${code}, '${text}', '${errors}'")
endif()
# The kernels it lists are all there are, whichever file times them.
foreach(kernel group_norm leaky_relu pixel_shuffle2 multiply axis_filter correlate radon fft2_real centred_magnitude
    multiply_spectrum shrink_differences)
  if(NOT errors MATCHES "[ ,]${kernel}[,\n]")
    message(FATAL_ERROR "${kernel} is not among the kernels: '${errors}'")
  endif()
endforeach()

# Beside busy processes, of which none is left: one would keep stdout open beyond the limit.
execute_process(COMMAND ${BENCH} --device cpu --threads 2 --busy --height 16 --width 16 --repeats 1 --json
  TIMEOUT 120 RESULT_VARIABLE code OUTPUT_VARIABLE text ERROR_VARIABLE errors)
if(NOT code EQUAL 0)
  message(FATAL_ERROR "--busy: exit code ${code}: ${errors}")
endif()
foreach(field quiet_seconds busy_seconds busy_over_quiet)
  expect_positive(${field})
endforeach()
string(JSON threads GET "${text}" threads)
if(NOT threads EQUAL 2)
  message(FATAL_ERROR "--busy: a report of ${threads} threads, expected 2")
endif()

# The ops of a step, each under a name of its own, on a data sheet.
foreach(model ffhq256 imagenet256)
  execute_process(COMMAND ${BENCH} --device cpu --model ${model} --roofline h100 --json
    RESULT_VARIABLE code OUTPUT_VARIABLE text ERROR_VARIABLE errors)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "--roofline h100 of ${model}: exit code ${code}: ${errors}")
  endif()
endforeach()

# A network from a file, in batches: against one image, and what reading it took.
execute_process(COMMAND ${BENCH} --device cpu --weights ${WEIGHTS} --height 32 --width 32 --batch 2 --repeats 1 --json
  RESULT_VARIABLE code OUTPUT_VARIABLE text ERROR_VARIABLE errors)
if(NOT code EQUAL 0)
  message(FATAL_ERROR "--weights: exit code ${code}: ${errors}")
endif()
foreach(field step_seconds batch_over_single load_over_weights weight_bytes)
  expect_positive(${field})
endforeach()

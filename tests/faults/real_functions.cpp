// The functions that faults.cpp replaces, under other names, with everything else in their files.
#define make_model real_make_model
#define stored_batch real_stored_batch
#include "input/batch_tensors.cpp"
#include "step/make_model.cpp"

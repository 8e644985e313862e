/* SPDX-License-Identifier: GPL-3.0-or-later */
/* shape_find.h - from the name that another program gives a model to the row of its shape. */
#ifndef BB_MODEL_SHAPE_FIND_H
#define BB_MODEL_SHAPE_FIND_H
#include "model/catalogue.h"

/* The row that has the shape of what a hub's or Ollama's name says: "Llama-3.1-8B-Instruct", "Meta-Llama-3-8B",
 * "mistral:7b", "deepseek-r1:70b". A size in the name is that of the row; where a name is of Ollama's library (tagged),
 * a family without one is the size that "latest" stands for. NULL when no row is meant. */
const bb_arch *bb_shape_find(const bb_catalogue *cat, const char *name, bool tagged);
#endif
